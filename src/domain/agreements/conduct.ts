import type { EventId, Millis, UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import type { RoomView } from '../policy/roomView.ts';

/**
 * What rooms rely on a partner's homeserver for (Matrix server-server API §"Policy Servers"; 45 CFR 164.312(a)(2)(iv), (e)(1)). A homeserver that doesn't is no fault of encryption,
 * but shows its own people what others refuse, and keeps what was taken out.
 */
export const TRAITS = ['asks-before-sending', 'asks-about-received', 'serves-keys', 'applies-redactions'] as const;
export type Trait = (typeof TRAITS)[number];

/** What was seen last. `traffic`: in the course of things, by the policy server. `check`: because somebody tried it. */
export type Seen = { readonly honoured: 'yes' | 'no'; readonly at: Millis; readonly source: 'traffic' | 'check'; readonly by?: string; /** The event by which it showed. */ readonly event?: EventId };
export type Conduct = Readonly<Partial<Record<Trait, Seen>>>;

const DAY_MS = 86_400_000;
/** What was seen longer ago says nothing any more: servers are replaced and reconfigured. */
export const COUNTS_MS = 90 * DAY_MS;

export type Known = 'yes' | 'no' | 'old' | 'unknown';
export const knownOf = (seen: Seen | undefined, at: Millis): Known => (seen === undefined ? 'unknown' : at - seen.at >= COUNTS_MS ? 'old' : seen.honoured);

/** One who asks now and then is not one who asks: for a day, only a check takes back what was seen amiss. */
export const isOutweighed = (seen: Pick<Seen, 'honoured' | 'source'>, before: Seen | undefined, at: Millis): boolean =>
  before?.honoured === 'no' && seen.honoured === 'yes' && seen.source === 'traffic' && at - before.at < DAY_MS;

/** In the words of rules; what isn't known, or was seen too long ago, isn't there. */
export type Honours = { readonly policyServer?: boolean; readonly encryption?: boolean; readonly redaction?: boolean };

export function honoursOf(conduct: Conduct, at: Millis): Honours {
  const said = (...traits: readonly Trait[]): boolean | undefined => {
    const known = traits.map((trait) => knownOf(conduct[trait], at));
    return known.includes('no') ? false : known.every((each) => each === 'yes') ? true : undefined;
  };
  const [policyServer, encryption, redaction] = [said('asks-before-sending', 'asks-about-received'), said('serves-keys'), said('applies-redactions')];
  return { ...(policyServer === undefined ? {} : { policyServer }), ...(encryption === undefined ? {} : { encryption }), ...(redaction === undefined ? {} : { redaction }) };
}

/** A question to sign, as far as it shows how servers behave. */
export type AskedToSign = {
  readonly origin: string;
  readonly sender: UserId;
  readonly type: string;
  readonly sentAt: Millis;
  readonly room: Pick<RoomView, 'members' | 'guardedSince'>;
  /** Why it was refused, or let pass. */
  readonly rule: string;
};

export type Sight = { readonly server: string; readonly trait: Trait; readonly honoured: 'yes' | 'no'; readonly source: Seen['source'] };

/** Refusals that came before it was clear that the event is its sender's. */
const UNPROVEN: ReadonlySet<string> = new Set(['malformed', 'oversized', 'room-unknown', 'room-version', 'unknown-field', 'content-hash', 'server-not-admitted', 'bad-signature', 'too-slow', 'homeserver-away']);
/** So long it may take until a partner's server has heard that the room is under the policy server. */
const HEARD_MS = 60_000;
/** So long it may take until a server that joined knows who else is in the room, the policy server among them: before, Synapse asks nobody (it joins with part of the state). */
const SETTLED_MS = 300_000;
/** What is older is history, which servers ask about whoever sent it. */
const RECENT_MS = 300_000;

/** Synapse asks about neither when it makes them: one's own membership, and the empty event by which it joins loose ends of a room. */
const NEVER_ASKED: ReadonlySet<string> = new Set(['m.room.member', 'org.matrix.dummy_event']);

/** A partner's server that asks, does; and what our own homeserver has to ask about, because it came from a partner without a signature, was sent unasked. */
export function sightOf({ origin, sender, type, sentAt, room, rule }: AskedToSign, ownServer: string, at: Millis): Sight | undefined {
  const server = serverOf(sender);
  if (UNPROVEN.has(rule)) return undefined;
  const source = rule === 'probe' ? 'check' : 'traffic';
  if (origin !== ownServer) return server !== origin ? { server: origin, trait: 'asks-about-received', honoured: 'yes', source } : NEVER_ASKED.has(type) ? undefined : { server: origin, trait: 'asks-before-sending', honoured: 'yes', source };
  if (server === ownServer || NEVER_ASKED.has(type) || Math.abs(at - sentAt) >= RECENT_MS) return undefined;
  const [guarded, arrived] = [room.guardedSince, arrivedAt(room, server)];
  const isUnasked = guarded !== undefined && arrived !== undefined && sentAt > guarded + HEARD_MS && sentAt > arrived + SETTLED_MS;
  return isUnasked ? { server, trait: 'asks-before-sending', honoured: 'no', source } : undefined;
}

/** Since when anybody of that server is in the room. */
function arrivedAt({ members }: Pick<RoomView, 'members'>, server: string): Millis | undefined {
  const joined = [...members].flatMap(([userId, { membership, at }]) => (membership === 'join' && at !== undefined && serverOf(userId as UserId) === server ? [at] : []));
  return joined.length === 0 ? undefined : (Math.min(...joined) as Millis);
}
