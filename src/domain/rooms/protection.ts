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
 * everything is in its place, or the room never leaves its server.
 */
export function nextStep(state: readonly StateEvent[], template: string, guardian: UserId, policy: PolicyIdentity): ProtectionStep | undefined {
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
  return isPolicy(contentOf('m.room.policy'), policy) ? undefined : { kind: 'set', type: 'm.room.policy', stateKey: '', content: { via: policy.serverName, public_keys: { ed25519: policy.publicKey } } };
}

/** A room's state with the policy server admitted, as each room under it has it: so two rooms are compared, of which one may not be under it yet. */
export const admittingPolicy = <Event extends StateEvent>(state: readonly Event[], policy: PolicyIdentity | undefined): readonly Event[] =>
  (policy === undefined ? state : state.map((event) => (event.type === 'm.room.server_acl' && !isAdmitted(event.content, policy) ? { ...event, content: admitting(event.content, policy) } : event)));

const admitting = (acl: Content, policy: PolicyIdentity): Content => ({ ...acl, allow: [...new Set([...listOf(acl['allow']), ...namesOf(policy)])], deny: listOf(acl['deny']).filter((each) => !namesOf(policy).some((name) => name === each)) });

/** Whether a new state event opens an edge, at which homeservers would let everything pass, or soon could. */
export function opens({ type, stateKey, content }: StateEvent, guardian: UserId, policy: PolicyIdentity): OpenEdge | undefined {
  if (type === 'm.room.member') return stateKey === policy.userId && (content['membership'] === 'leave' || content['membership'] === 'ban') ? 'member' : undefined;
  if (stateKey !== '') return undefined;
  if (type === 'm.room.policy') return isPolicy(content, policy) ? undefined : 'policy';
  if (type === 'm.room.power_levels') return isWeak(content, guardian) ? 'power-levels' : undefined;
  return type === 'm.room.server_acl' && !isAdmitted(content, policy) ? 'acl' : undefined;
}

/**
 * Which edge is open in a room as it is; its levels and its access list are looked at with the rest of its template (`assess`). `start`: it may not be under the policy
 * server yet, or not under its newest key: nobody undid that, since an `m.room.policy` can be made empty but never be taken away.
 */
export function openEdge(state: readonly StateEvent[], policy: PolicyIdentity): 'policy' | 'member' | 'start' | undefined {
  const contentOf = (type: string, stateKey = ''): Content | undefined => state.find((event) => event.type === type && event.stateKey === stateKey)?.content;
  const create = contentOf('m.room.create');
  if (!create || create['m.federate'] === false) return undefined;
  const named = contentOf('m.room.policy');
  if (named === undefined || (named['via'] === policy.serverName && !isPolicy(named, policy))) return 'start';
  if (!isPolicy(named, policy)) return 'policy';
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
