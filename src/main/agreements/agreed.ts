import { checkGenuine } from '../../adapters/auth/agreementFile.ts';
import { hasAgreementKey, readAgreementKey } from '../../adapters/auth/agreementKey.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { isAgreed, organisationsNow } from '../../domain/agreements/agreed.ts';
import { knownOf, TRAITS } from '../../domain/agreements/conduct.ts';
import { agreedTermsOf, driftOf, handedTo, keepersEver, standbyOf, type Standby } from '../../domain/agreements/demands.ts';
import { endingSoon, type Entry, type Register } from '../../domain/agreements/register.ts';
import type { Millis, RoomId, UserId } from '../../domain/brand.ts';
import type { RoomDemands } from '../../domain/agreements/terms.ts';
import type { FoundAggregate, Settings } from '../../domain/decision.ts';
import type { AgreedTerms } from '../../domain/policy/roomTerms.ts';
import type { PolicyIdentity } from '../../domain/rooms/protection.ts';
import type { Store } from '../../ports/store.ts';
import { errorCode, type Log } from '../../ports/telemetry.ts';
import type { Problem } from '../health.ts';
import { keyPath } from './document.ts';

export type AgreedParts = { readonly store: Pick<Store, 'states' | 'lookup'>; readonly config: () => LoadedConfig; readonly settings: () => Settings; /** What the hospital asks of shared rooms now. */ readonly demands: () => RoomDemands; readonly now: () => Millis; readonly log: Log };

/** What is agreed with whom, for all who ask: decisions, senders, the policy server. A credential that isn't signed by both, each with their own key, counts for none of them. */
export type Agreed = {
  /** What was looked up, with the agreements that are genuine, and no others. */
  vouched(found: ReadonlyMap<string, FoundAggregate>): Promise<ReadonlyMap<string, FoundAggregate>>;
  /** The first of these servers without an agreement in force, as the database says now. */
  strangerAmong(servers: readonly string[]): Promise<string | undefined>;
  /** Those whose events may stand in rooms, as they were read last: the own one first; with an agreement in force, which ends by the clock; and those whose people are still in rooms, so that they can answer what is open until they are led out. */
  servers(): readonly string[];
  /** The settings, with the servers and organisations as they were read last: for who can't look up for each question. */
  settings(): Settings;
  /** Whether an agreement with that server is in force, as they were read last. */
  isInForce(server: string): boolean;
  /** What the agreements ask of rooms that partners are let into, as they were read last. */
  roomTerms(): readonly AgreedTerms[];
  /** Whose policy servers stand by for ours, and ours for theirs, as they were read last. */
  standbys(): readonly Standby[];
  /** Whom partners had stand by, by any agreement, over or not, signed as it is to be or not: whoever isn't to stand by is taken out. */
  keepers(): readonly UserId[];
  /** The partner's policy server that judges in a room of ours for now, as it was read last. */
  handed(roomId: RoomId): PolicyIdentity | undefined;
  /** The same, as the database says now. */
  handedTo(roomId: RoomId): Promise<PolicyIdentity | undefined>;
  /** Whether an agreement in force with that partner says who stands by for whom, as the database says now. */
  standsBy(partner: string): Promise<boolean>;
  /** Reads the register anew. */
  look(): Promise<void>;
  problem(): Omit<Problem, 'since'> | undefined;
};

const KEPT = 1000;
const CURRENT_MS = 200;

export function createAgreed({ store, config, settings, demands, now, log }: AgreedParts): Agreed {
  let registers: readonly Register[] = [];
  let rotten = 0;
  let keepers: readonly UserId[] = [];
  const checked = new Map<string, Promise<boolean>>();
  const foundIn = (known: readonly Register[]): ReadonlyMap<string, FoundAggregate> => new Map(known.map((register) => [register.server, { aggregate: { kind: 'agreement', id: register.server }, state: register }]));

  async function genuine(register: Register): Promise<Register> {
    const path = keyPath(config());
    const own = hasAgreementKey(path) ? await readAgreementKey(path).catch(() => undefined) : undefined;
    const agreements: Entry[] = [];
    for (const entry of register.agreements) if (own && await isGenuine(register, entry, own.thumbprint)) agreements.push(entry);
    return { ...register, agreements };
  }

  /** The same signatures under the same terms by the same keys are as good as they were. */
  function isGenuine({ server, key = '' }: Register, { terms, signatures }: Entry, ownKey: string): Promise<boolean> {
    const name = JSON.stringify([server, key, ownKey, terms, signatures]);
    const known = checked.get(name);
    if (known) return known;
    if (checked.size >= KEPT) checked.clear();
    const asked = checkGenuine(terms, signatures, { ownServer: config().homeserver.server_name, ownKey, partner: server, partnerKey: key }).then(({ ok }) => ok, () => false);
    checked.set(name, asked);
    return asked;
  }

  async function vouched(found: ReadonlyMap<string, FoundAggregate>): Promise<ReadonlyMap<string, FoundAggregate>> {
    if (![...found.values()].some(({ aggregate }) => aggregate.kind === 'agreement')) return found;
    return new Map(await Promise.all([...found].map(async ([name, each]) => [name, each.aggregate.kind === 'agreement' ? { ...each, state: await genuine(each.state as Register) } : each] as const)));
  }

  /** Partners whose homeservers were seen so: as somebody tried it, or amiss. */
  const seenAs = (kind: 'no' | 'old'): readonly string[] => registers.filter(({ conduct = {} }) => TRAITS.some((trait) => knownOf(conduct[trait], now()) === kind && (kind === 'no' || conduct[trait]?.source === 'check'))).map(({ server }) => server);

  function serversNow(): readonly string[] {
    const found = foundIn(registers);
    const { ownServer, agreedServers } = settings();
    return [...new Set([ownServer, ...agreedServers, ...registers.map(({ server }) => server)])].filter((server) => isAgreed(server, { found, settings: settings(), now: now() }) || registers.some((register) => register.server === server && register.rooms.length > 0));
  }

  let last: { readonly registers: readonly Register[]; readonly of: Settings; readonly at: Millis; readonly settings: Settings; readonly roomTerms: readonly AgreedTerms[]; readonly standbys: readonly Standby[] } | undefined;
  /** Asked about each event of each room: worked out anew when something was read, and for what begins and ends by the clock. */
  function current(): NonNullable<typeof last> {
    const [of, at] = [settings(), now()];
    if (last?.registers !== registers || last.of !== of || Math.abs(at - last.at) >= CURRENT_MS) {
      last = { registers, of, at, settings: { ...of, agreedServers: serversNow(), organisations: organisationsNow({ found: foundIn(registers), settings: of }) }, roomTerms: registers.flatMap((register) => agreedTermsOf(register, at)), standbys: registers.flatMap((register) => standbyOf(register, at) ?? []) };
    }
    return last;
  }

  const handed = (roomId: RoomId): PolicyIdentity | undefined => registers.flatMap((register) => handedTo(register, roomId, now()) ?? [])[0];

  return {
    vouched,
    handed,
    async handedTo(roomId) {
      const stored = (await store.states('agreement')) as readonly Register[];
      if (!stored.some(({ handed: rooms }) => rooms?.[roomId])) return undefined;
      // Who is asked about what comes of it hears of it no later.
      registers = await Promise.all(stored.map(genuine));
      return handed(roomId);
    },
    servers: () => current().settings.agreedServers,
    isInForce: (server) => isAgreed(server, { found: foundIn(registers), settings: settings(), now: now() }),
    roomTerms: () => current().roomTerms,
    standbys: () => current().standbys,
    keepers: () => keepers,
    settings: () => current().settings,
    async strangerAmong(servers) {
      const others = [...new Set(servers)].filter((server) => server !== settings().ownServer);
      if (others.length === 0) return undefined;
      const found = await vouched(await store.lookup(others.map((name) => ({ kind: 'agreement', name }))));
      // Who is asked about what comes of it hears of it no later.
      registers = [...registers.filter(({ server }) => !found.has(server)), ...[...found.values()].map(({ state }) => state as Register)];
      return others.find((server) => !isAgreed(server, { found, settings: settings(), now: now() }));
    },
    async standsBy(partner) {
      const register = (await vouched(await store.lookup([{ kind: 'agreement', name: partner }]))).get(partner)?.state as Register | undefined;
      return register !== undefined && standbyOf(register, now()) !== undefined;
    },
    async look() {
      try {
        const stored = (await store.states('agreement')) as readonly Register[];
        registers = await Promise.all(stored.map(genuine));
        rotten = count(stored) - count(registers);
        keepers = stored.flatMap(keepersEver);
      } catch (error) {
        log.warn('agreements.not-read', { error: errorCode(error) });
      }
    },
    problem() {
      if (rotten > 0) return { part: 'agreements', code: 'not-genuine', message: `${rotten} agreement(s) don't count: they are not signed by both with the keys that are theirs. \`aceso agreements verify\` says why; is agreements.key_file there?` };
      const away = registers.filter(({ handed: rooms = {} }) => Object.keys(rooms).length > 0);
      if (away.length > 0) return { part: 'agreements', code: 'handed-over', message: `the policy server of ${away.map(({ server, handed: rooms = {} }) => `${server} judges in ${Object.keys(rooms).length} room(s)`).join(', ')} of this hospital: \`aceso policy-server take-back\` once its own is back` };
      const amiss = seenAs('no');
      if (amiss.length > 0) return { part: 'agreements', code: 'not-honoured', message: `the homeserver of ${amiss.join(', ')} doesn't do what rooms rely on: \`aceso partner list\` says what. Call its administrators, then \`aceso partner check\`` };
      const soon = registers.flatMap((register) => endingSoon(register, now()).map(({ terms }) => `${register.server} (${terms.kind}, ${terms.until})`));
      const moved = registers.flatMap((register) => driftOf(register, demands(), now()).flatMap(({ entry, differs }) => (differs === 'rooms' ? [`${register.server} (${entry.terms.id})`] : [])));
      if (soon.length === 0 && moved.length > 0) return { part: 'agreements', code: 'differs', message: `this hospital asks something else of shared rooms than its agreements say: ${moved.join(', ')}. What is stricter counts at once; for what is looser draft new ones. \`aceso agreements show\` tells` };
      const old = seenAs('old');
      if (soon.length === 0 && old.length > 0) return { part: 'agreements', code: 'check-old', message: `what was seen of the homeserver of ${old.join(', ')} is more than 90 days old, and counts no more: \`aceso partner check\`` };
      return soon.length === 0 ? undefined : { part: 'agreements', code: 'expiring', message: `agreements end soon, and no other goes on: ${soon.join(', ')}. Renew them, or results for these partners will be held` };
    },
  };
}

const count = (registers: readonly Register[]): number => registers.reduce((sum, { agreements }) => sum + agreements.length, 0);
