import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { checkGenuine } from '../../adapters/auth/agreementFile.ts';
import { readAgreementKey } from '../../adapters/auth/agreementKey.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { withRegister } from '../../domain/agreements/agreed.ts';
import { REVOCATION_REASONS, statusOf, type Entry, type Register } from '../../domain/agreements/register.ts';
import { endOf, partnerIn, type Terms } from '../../domain/agreements/terms.ts';
import { as, type Millis, type UserId } from '../../domain/brand.ts';
import { personName } from '../../domain/people/party.ts';
import type { Organisation } from '../../domain/policy/agreement.ts';
import type { FactBody } from '../../domain/fact.ts';
import { partiesWith } from '../../loop/witness.ts';
import type { Store } from '../../ports/store.ts';
import { organisationsOf } from '../compose.ts';
import { conductWords } from '../partners/words.ts';
import { instant, table, type Printed } from '../print.ts';
import { driftOf, keepersEver, standbyOf, type Standby } from '../../domain/agreements/demands.ts';
import { keyPath, partnerOf, readSigned, refuseNamesOfOthers, signedByUs, termsWords, withOurDemands } from './document.ts';
import { configuredDemands } from './roomDemands.ts';

export type AddOptions = { readonly confirmKey?: string; readonly dryRun?: true; readonly by: string };

/** Takes an agreement that the partner signed, with our own signature under it. */
export async function addAgreement(store: Store, config: LoadedConfig, file: string, { confirmKey, dryRun, by }: AddOptions): Promise<Printed> {
  const { document, signatures } = await readSigned(file);
  const { terms } = document;
  const partner = partnerOf(config, terms);
  const theirs = signatures.get(partner);
  if (!theirs) throw new Error(`${file}: ${partner} hasn't signed it yet. They do it with \`aceso agreements sign FILE\`.`);
  const register = await registerOf(store, partner);
  if (register?.agreements.some((entry) => entry.terms.id === terms.id)) throw new Error(`${terms.id} is in the register already: see \`aceso agreements show ${terms.id}\`.`);
  withOurDemands(config, file, document);
  refuseNamesOfOthers(config, file, terms, await registersOf(store));
  await refusePeople(store, file, terms, partner);
  if (terms.rooms?.length === 1) throw new Error(`${file}: ${partner} signed it without saying what it asks of shared rooms. It needs a newer Aceso for that: \`aceso agreements sign FILE\` puts it in.`);
  if (endOf(terms) <= Date.now()) throw new Error(`${terms.id} ended on ${terms.until}: draft another.`);
  const pin = pinOf(partner, theirs.key, register, confirmKey);
  if (dryRun) return { json: { would: 'add', terms, partnerKey: theirs.key, pin }, text: `Would take into the register, signed by ${partner} with the key ${theirs.key}:\n${termsWords(terms)}` };
  const ours = await signedByUs(config, file, document);
  const rooms = await partiesWith(store, partner);
  await bring(store, partner, { type: 'agreement.added', terms, signatures: { partner: theirs.jws, own: ours.jws }, key: theirs.key, pin, rooms, by });
  return { json: { added: terms.id, partner, partnerKey: theirs.key, pin }, text: `${terms.id} goes into the register, signed by ${partner} and by ${config.homeserver.server_name}:\n${termsWords(terms)}\n${file} has both signatures now: ${partner} takes it with \`aceso agreements add\` too. See \`aceso agreements list\`.` };
}

/** Who keeps rooms says nothing in them, and whether they come is nobody's news: that is no person whom results are for. */
async function refusePeople(store: Pick<Store, 'lookup'>, file: string, { rooms = [] }: Terms, partner: string): Promise<void> {
  const named = rooms.flatMap(({ server, keepers }) => (server === partner && keepers ? [keepers.guardian, keepers.courier, keepers.policyServer.userId] : []));
  const found = await store.lookup(named.map((userId) => ({ kind: 'party', name: personName(userId) })));
  const person = named.find((userId) => found.has(personName(userId)));
  if (person !== undefined) throw new Error(`${file}: ${partner} names ${person} as its guardian, courier or policy server, and that is a person in this hospital's directory. Call them: it is to be drafted anew with an account of Aceso's own.`);
}

/** A partner's first key, or another than before, counts once somebody compared it over another way. */
function pinOf(partner: string, key: string, register: Register | undefined, confirmed: string | undefined): 'known' | 'confirmed' {
  if (confirmed !== undefined && confirmed !== key) throw new Error(`It is signed by the key ${key}, and that isn't the one you confirmed: don't take it, and call ${partner}.`);
  if (register?.key === key) return 'known';
  if (confirmed === key) return 'confirmed';
  const why = register?.key !== undefined ? `${partner} signed with another key (${key}) than the one in the register (${register.key})` : `${partner} is new here, and signed by the key ${key}`;
  throw new Error(`${why}. Call them on a number you know, have them read what \`aceso agreements key\` shows, and if it is the same: --confirm-key ${key}.${register?.key !== undefined ? ' What they signed with the former key doesn\'t count from then on.' : ''}`);
}

export async function revokeAgreement(store: Store, id: string, { reason, dryRun, by }: { readonly reason: string; readonly dryRun?: true; readonly by: string }): Promise<Printed> {
  const known = REVOCATION_REASONS.find((each) => each === reason);
  if (known === undefined) throw new Error(`${reason} is no reason: it is one of ${REVOCATION_REASONS.join(', ')}.`);
  const { register, entry } = await one(store, id);
  if (entry.revoked) throw new Error(`${entry.terms.id} was revoked on ${instant(entry.revoked.at)} by ${entry.revoked.by}.`);
  const effects = `nothing new is sent to ${register.server} under it from then on; ${register.rooms.length} room(s) are asked again`;
  if (dryRun) return { json: { would: 'revoke', agreement: entry.terms.id, partner: register.server, rooms: register.rooms }, text: `Would revoke ${entry.terms.id}: ${effects}. It can't be undone.` };
  await bring(store, register.server, { type: 'agreement.revoked', agreement: entry.terms.id, by, reason: known });
  return { json: { revoked: entry.terms.id, partner: register.server, reason: known }, text: `${entry.terms.id} is being revoked (${known}): ${effects}. See \`aceso agreements list\` and \`aceso held list\`.` };
}

/** What counts, partner by partner, and why. */
export async function listAgreements(store: Store, config: LoadedConfig): Promise<Printed> {
  const registers = await registersOf(store);
  const now = as<Millis>(Date.now());
  const signed = registers.flatMap(({ server, agreements }) => agreements.map((entry) => ({ agreement: entry.terms.id, partner: server, kind: entry.terms.kind, status: statusOf(entry, now), from: entry.terms.from, until: entry.terms.until })));
  const inRegister = new Set(registers.filter(({ key }) => key !== undefined).map(({ server }) => server));
  const configured = config.partners.filter(({ server_name: server }) => !inRegister.has(server)).flatMap(({ server_name: partner, agreements }) => agreements.map(({ kind, from = '', until = '' }) =>
    ({ agreement: '–', partner, kind, status: config.agreements.required ? 'doesn\'t count: agreements.required' : 'by configuration', from, until })));
  const rows = [...signed, ...configured];
  return { json: rows, text: table(['AGREEMENT', 'PARTNER', 'KIND', 'STATUS', 'FROM', 'UNTIL'], rows.map(({ agreement, partner, kind, status, from, until }) => [agreement, partner, kind, status, from, until]), 'No partner, and no agreement. Make one: `aceso agreements draft --help`.') };
}

export async function showAgreement(store: Store, config: LoadedConfig, id: string): Promise<Printed> {
  const { register, entry } = await one(store, id);
  const keeping = (await store.deliveries({ held: true, limit: 10_000 })).filter(({ keepsRoom, party }) => keepsRoom === 'open' && party !== undefined && register.rooms.includes(party.id)).map((delivery) => delivery.id);
  const status = statusOf(entry, as<Millis>(Date.now()));
  const genuine = await genuineness(config, register, entry);
  const drift = entry.terms.rooms === undefined ? undefined : driftOf(register, configuredDemands(config), as<Millis>(Date.now())).find((each) => each.entry === entry)?.differs;
  return {
    json: { ...entry, status, ...(drift === undefined ? {} : { drift }), partner: register.server, partnerKey: register.key, genuine: genuine.ok, ...(genuine.ok ? {} : { why: genuine.error.message }), rooms: register.rooms, keeping, conduct: register.conduct ?? {} },
    text: [
      termsWords(entry.terms), `Status     ${status}${entry.revoked ? `: ${entry.revoked.reason}, by ${entry.revoked.by}, ${instant(entry.revoked.at)}` : ''}`,
      `Signed     ${genuine.ok ? `by ${register.server}, with the pinned key ${register.key}, and by ${config.homeserver.server_name}` : `NOT GOOD: ${genuine.error.message}`}`,
      ...(drift === undefined ? [] : [`Differs    ${DRIFT[drift]}`]),
      `Added      ${instant(entry.addedAt)} by ${entry.addedBy}`, `Rooms      ${register.rooms.length > 0 ? register.rooms.join(', ') : 'none yet'}`,
      ...conductWords(register.conduct ?? {}, as<Millis>(Date.now())).map((words) => `Homeserver ${words}`),
      ...keeping.map((delivery) => `Keeps      ${delivery}: an open critical result, see \`aceso held show ${delivery}\``),
    ].join('\n'),
  };
}

const DRIFT = {
  rooms: 'this hospital\'s rules or templates ask something else of shared rooms by now: what is stricter counts at once, what is looser once a new agreement says it',
  rules: 'this hospital\'s rules have another revision by now, and ask the same of shared rooms',
} as const;

/** A file, without the database; or one of the register. Throws when it isn't good. */
export async function verifyFile(config: LoadedConfig, file: string): Promise<Printed> {
  const { document: { terms }, signatures } = await readSigned(file);
  const missing = terms.parties.filter(({ server }) => !signatures.has(server)).map(({ server }) => server);
  if (missing.length > 0) throw new Error(`${file}: not signed yet by ${missing.join(' and ')}.`);
  const { thumbprint } = await readAgreementKey(keyPath(config)).catch(() => ({ thumbprint: undefined }));
  const isOwn = partnerIn(terms, config.homeserver.server_name) !== undefined;
  const ours = signatures.get(config.homeserver.server_name)?.key;
  if (isOwn && thumbprint !== undefined && ours !== thumbprint) throw new Error(`${file}: signed for ${config.homeserver.server_name} by the key ${ours ?? ''}, which isn't this hospital's (${thumbprint}).`);
  const keys = [...signatures.values()].map(({ server, key }) => ({ server, key }));
  return { json: { good: true, terms, keys }, text: `${termsWords(terms)}\n${keys.map(({ server, key }) => `Signed     ${server}, by the key ${key}`).join('\n')}\nBoth signatures are good. Whose the keys are, only a comparison over another way tells.` };
}

export const isFile = (name: string): boolean => existsSync(name);

export async function verifyEntry(store: Store, config: LoadedConfig, id: string): Promise<Printed> {
  const { register, entry } = await one(store, id);
  const genuine = await genuineness(config, register, entry);
  if (!genuine.ok) throw new Error(`${entry.terms.id}: ${genuine.error.message}.`);
  return { json: { good: true, agreement: entry.terms.id, status: statusOf(entry, as<Millis>(Date.now())) }, text: `${entry.terms.id} is signed by both, each with the key that is theirs.` };
}

async function genuineness(config: LoadedConfig, { server, key = '' }: Register, { terms, signatures }: Entry): ReturnType<typeof checkGenuine> {
  const { thumbprint } = await readAgreementKey(keyPath(config));
  return checkGenuine(terms, signatures, { ownServer: config.homeserver.server_name, ownKey: thumbprint, partner: server, partnerKey: key });
}

/** Each with the agreements that are signed by both, and no others. */
export async function genuineRegisters(store: Pick<Store, 'states'>, config: LoadedConfig): Promise<readonly Register[]> {
  return Promise.all((await registersOf(store)).map(async (register) => {
    const good = await Promise.all(register.agreements.map(async (entry) => (await genuineness(config, register, entry)).ok));
    return { ...register, agreements: register.agreements.filter((_, index) => good[index]) };
  }));
}

const registerOf = async (store: Store, server: string): Promise<Register | undefined> => (await store.load({ kind: 'agreement', id: server }))?.state as Register | undefined;
/** The organisations as rules see them now. */
export const organisationsIn = async (store: Pick<Store, 'states'>, config: LoadedConfig): Promise<readonly Organisation[]> => (await registersOf(store)).reduce(withRegister, organisationsOf(config));

/** Whose policy servers stand by, as agreed. */
export const standbysIn = async (store: Pick<Store, 'states'>): Promise<readonly Standby[]> => (await registersOf(store)).flatMap((register) => standbyOf(register, as<Millis>(Date.now())) ?? []);

/** Whom partners had stand by, by any agreement, over or not. */
export const keepersIn = async (store: Pick<Store, 'states'>): Promise<readonly UserId[]> => (await registersOf(store)).flatMap(keepersEver);

export const registersOf = async (store: Pick<Store, 'states'>): Promise<readonly Register[]> => (await store.states('agreement')) as readonly Register[];

async function one(store: Store, id: string): Promise<{ readonly register: Register; readonly entry: Entry }> {
  const found = (await registersOf(store)).flatMap((register) => register.agreements.filter(({ terms }: { readonly terms: Terms }) => terms.id.startsWith(id)).map((entry) => ({ register, entry })));
  const [first, other] = found;
  if (!first) throw new Error(`There is no agreement ${id} in the register. See \`aceso agreements list\`.`);
  if (other) throw new Error(`Several agreements begin with ${id}: give more of it.`);
  return first;
}

const bring = (store: Store, partner: string, body: FactBody): Promise<unknown> => store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: 'agreement', id: partner }, at: as(Date.now()), body }]);
