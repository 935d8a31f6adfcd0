import type { ServerName, UserId } from '../brand.ts';
import { powerLevels } from './template.ts';

/** The policy server as rooms name it. */
export type PolicyIdentity = { readonly serverName: ServerName; readonly userId: UserId; /** Unpadded base64. */ readonly publicKey: string };

export type ProtectionStep =
  | { readonly kind: 'set'; readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>> }
  | { readonly kind: 'invite' }
  | { readonly kind: 'join' };

/** What would make homeservers stop asking the policy server. */
export type OpenEdge = 'policy' | 'member' | 'power-levels' | 'acl';

type Content = Readonly<Record<string, unknown>>;
type StateEvent = { readonly type: string; readonly stateKey: string; readonly content: Content };

/**
 * What is to be done next, as the guardian or as the policy server, until no event leaves a server unasked (server-server API §"Policy Servers").
 * `m.room.policy` comes last: it is in force only while its server has a member in the room, and counts for nothing before. Undefined:
 * everything is in its place, or the room never leaves its server. `handedTo`: the partner's that judges there for now.
 */
export function nextStep(state: readonly StateEvent[], template: string, guardian: UserId, policy: PolicyIdentity, handedTo?: PolicyIdentity): ProtectionStep | undefined {
  const contentOf = (type: string, stateKey = ''): Content | undefined => state.find((event) => event.type === type && event.stateKey === stateKey)?.content;
  const create = contentOf('m.room.create');
  if (!create || create['m.federate'] === false) return undefined;
  // A room that replaced another at the homeserver doesn't say of what kind it is.
  if (contentOf('org.aceso.template')?.['id'] !== template) return { kind: 'set', type: 'org.aceso.template', stateKey: '', content: { id: template } };
  if (isWeak(contentOf('m.room.power_levels') ?? {}, guardian)) return { kind: 'set', type: 'm.room.power_levels', stateKey: '', content: powerLevels(typeof create['room_version'] === 'string' ? create['room_version'] : '1', guardian) };
  const acl = contentOf('m.room.server_acl');
  if (acl && !isAdmitted(acl, policy)) return { kind: 'set', type: 'm.room.server_acl', stateKey: '', content: admitting(acl, policy) };
  const { membership } = contentOf('m.room.member', policy.userId) ?? {};
  if (membership === 'ban') return { kind: 'set', type: 'm.room.member', stateKey: policy.userId, content: { membership: 'leave' } };
  if (membership === 'invite') return { kind: 'join' };
  if (membership !== 'join') return { kind: 'invite' };
  const named = judging(state, policy, handedTo);
  return isPolicy(contentOf('m.room.policy'), named) ? undefined : naming(named);
}

/** Has a room name a policy server. */
export const naming = ({ serverName, publicKey }: PolicyIdentity): Extract<ProtectionStep, { readonly kind: 'set' }> => ({ kind: 'set', type: 'm.room.policy', stateKey: '', content: { via: serverName, public_keys: { ed25519: publicKey } } });

/** Why a room can't be judged by a partner's policy server now; undefined: it can. Its guardian is its eyes there. */
export function notStandingBy(state: readonly StateEvent[], { guardian, policyServer }: { readonly guardian: UserId; readonly policyServer: PolicyIdentity }): string | undefined {
  const contentOf = (type: string, stateKey = ''): Content => state.find((event) => event.type === type && event.stateKey === stateKey)?.content ?? {};
  const membershipOf = (user: UserId): string => { const { membership } = contentOf('m.room.member', user); return typeof membership === 'string' ? membership : 'never invited'; };
  const away = [guardian, policyServer.userId].find((user) => membershipOf(user) !== 'join');
  if (away !== undefined) return `${away} is not in it (${membershipOf(away)}): to name a policy server that isn't there would open the room`;
  return isAdmitted(contentOf('m.room.server_acl'), policyServer) ? undefined : `its access list doesn't admit ${policyServer.serverName}`;
}

/** Whom a room is to name. One without a member there counts for none, and all would pass: then the own one, which refuses what it can't judge. */
function judging(state: readonly StateEvent[], own: PolicyIdentity, handedTo: PolicyIdentity | undefined): PolicyIdentity {
  const isIn = ({ userId }: PolicyIdentity): boolean => state.some(({ type, stateKey, content }) => type === 'm.room.member' && stateKey === userId && content['membership'] === 'join');
  return handedTo && isIn(handedTo) ? handedTo : own;
}

/** A room's state with the policy server admitted, as each room under it has it: so two rooms are compared, of which one may not be under it yet. */
export const admittingPolicy = <Event extends StateEvent>(state: readonly Event[], policy: PolicyIdentity | undefined): readonly Event[] =>
  (policy === undefined ? state : state.map((event) => (event.type === 'm.room.server_acl' && !isAdmitted(event.content, policy) ? { ...event, content: admitting(event.content, policy) } : event)));

const admitting = (acl: Content, policy: PolicyIdentity): Content => ({ ...acl, allow: [...new Set([...listOf(acl['allow']), ...namesOf(policy)])], deny: listOf(acl['deny']).filter((each) => !namesOf(policy).some((name) => name === each)) });

/** Whether a new state event opens an edge, at which homeservers would let everything pass, or soon could. */
export function opens({ type, stateKey, content }: StateEvent, guardian: UserId, policy: PolicyIdentity, handedTo?: PolicyIdentity): OpenEdge | undefined {
  if (type === 'm.room.member') return (stateKey === policy.userId || stateKey === handedTo?.userId) && (content['membership'] === 'leave' || content['membership'] === 'ban') ? 'member' : undefined;
  if (stateKey !== '') return undefined;
  if (type === 'm.room.policy') return isPolicy(content, policy) || (handedTo && isPolicy(content, handedTo)) ? undefined : 'policy';
  if (type === 'm.room.power_levels') return isWeak(content, guardian) ? 'power-levels' : undefined;
  return type === 'm.room.server_acl' && !isAdmitted(content, policy) ? 'acl' : undefined;
}

/**
 * Which edge is open in a room as it is; its levels and its access list are looked at with the rest of its template (`assess`). `start`: it may not be under the policy
 * server yet, or not under its newest key: nobody undid that, since an `m.room.policy` can be made empty but never be taken away.
 */
export function openEdge(state: readonly StateEvent[], policy: PolicyIdentity, handedTo?: PolicyIdentity): 'policy' | 'member' | 'start' | undefined {
  const contentOf = (type: string, stateKey = ''): Content | undefined => state.find((event) => event.type === type && event.stateKey === stateKey)?.content;
  const create = contentOf('m.room.create');
  if (!create || create['m.federate'] === false) return undefined;
  const named = contentOf('m.room.policy');
  const isNamed = named !== undefined && isPolicy(named, judging(state, policy, handedTo));
  // One that still names the own one, though it was handed over, isn't open either.
  if (!isNamed) return named === undefined || named['via'] === policy.serverName ? 'start' : 'policy';
  return contentOf('m.room.member', policy.userId)?.['membership'] === 'join' ? undefined : 'member';
}

function isPolicy(content: Content | undefined, { serverName, publicKey }: PolicyIdentity): boolean {
  const { via, public_keys: keys } = content ?? {};
  return via === serverName && (keys as { readonly ed25519?: unknown } | undefined)?.ed25519 === publicKey;
}

const level = (value: unknown, otherwise: number): number => (value === undefined ? otherwise : Number(value));

/** Whether anybody but the guardian could change what makes servers ask: the policy, the levels, the access list, the policy server's membership. */
function isWeak(levels: Content, guardian: UserId): boolean {
  const { users = {}, events = {} } = levels as { readonly users?: Content; readonly events?: Content };
  const state = level(levels['state_default'], 50);
  const needed = Math.min(level(levels['kick'], 50), level(levels['ban'], 50), ...['m.room.policy', 'm.room.power_levels', 'm.room.server_acl'].map((type) => level(events[type], state)));
  const others = Object.entries(users).filter(([user]) => user !== guardian).map(([, each]) => level(each, 0));
  return !(Math.max(level(levels['users_default'], 0), ...others) < needed);
}

const listOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []);
const namesOf = ({ serverName }: PolicyIdentity): readonly string[] => [serverName.replace(/:\d+$/u, ''), serverName];
const isAdmitted = (acl: Content, policy: PolicyIdentity): boolean => namesOf(policy).every((name) => listOf(acl['allow']).includes(name) && !listOf(acl['deny']).includes(name));
