import type { EventId, Millis, UserId } from '../brand.ts';

/** What a room is, as the homeserver holds its state now: all that the policy server goes by. */
export type RoomView = {
  readonly version: string;
  readonly creator: UserId;
  /** Name of the template that it was made from, by the guardian. */
  readonly template?: string;
  readonly members: ReadonlyMap<string, Member>;
  readonly admitted: ServerAcl | undefined;
  /** Ids of the events that are its state. */
  readonly current: ReadonlySet<EventId>;
  /** Whom its homeservers ask. */
  readonly policyServer?: string;
  /** Since when homeservers ask the policy server that it names: they do once that has a member. */
  readonly guardedSince?: Millis;
};

export type Member = { readonly membership: string; /** Who put them there: the sender of the event. */ readonly by: UserId; /** When, as its server says. */ readonly at?: Millis };

export type ServerAcl = { readonly allow: readonly string[]; readonly deny: readonly string[]; readonly literals: 'allowed' | 'denied' };

type StateEvent = { readonly event_id: EventId; readonly type: string; readonly state_key?: string; readonly sender: UserId; readonly origin_server_ts?: number; readonly content: Readonly<Record<string, unknown>> };

/** Undefined when the state has no beginning: no room, or none that is whole. */
export function viewOf(state: readonly StateEvent[]): RoomView | undefined {
  const the = (type: string): StateEvent | undefined => state.find((event) => event.type === type && event.state_key === '');
  const create = the('m.room.create');
  if (!create) return undefined;
  const template = the('org.aceso.template');
  const { id } = template?.content ?? {};
  const acl = the('m.room.server_acl');
  const { via } = the('m.room.policy')?.content ?? {};
  const guardedSince = guarded(state, the('m.room.policy'));
  return {
    version: typeof create.content['room_version'] === 'string' ? create.content['room_version'] : '1',
    creator: create.sender,
    ...(template?.sender === create.sender && typeof id === 'string' ? { template: id } : {}),
    members: new Map(state.filter(({ type }) => type === 'm.room.member').map(({ state_key: user = '', sender, content, origin_server_ts: at }) => [user, { membership: String(content['membership']), by: sender, ...(at === undefined ? {} : { at: at as Millis }) }])),
    admitted: acl && { allow: texts(acl.content['allow']), deny: texts(acl.content['deny']), literals: acl.content['allow_ip_literals'] === false ? 'denied' : 'allowed' },
    current: new Set(state.map(({ event_id: id_ }) => id_)),
    ...(typeof via === 'string' ? { policyServer: via } : {}),
    ...(guardedSince === undefined ? {} : { guardedSince }),
  };
}

function guarded(state: readonly StateEvent[], policy: StateEvent | undefined): Millis | undefined {
  const via = policy?.content['via'];
  const member = typeof via !== 'string' ? undefined : state.find(({ type, state_key: user = '', content }) => type === 'm.room.member' && content['membership'] === 'join' && user.endsWith(`:${via}`));
  return policy?.origin_server_ts === undefined || member?.origin_server_ts === undefined ? undefined : (Math.max(policy.origin_server_ts, member.origin_server_ts) as Millis);
}

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []);

/** Whether the room's access list lets a server in (client-server API §"Server Access Control Lists"): globs, matched without the port. */
export function admits(acl: ServerAcl | undefined, server: string): boolean {
  if (!acl) return true;
  const host = server.replace(/:\d+$/u, '');
  if (acl.literals === 'denied' && (/^\d{1,3}(?:\.\d{1,3}){3}$/u.test(host) || host.startsWith('['))) return false;
  const isOn = (list: readonly string[]): boolean => list.some((glob) => matches(glob, host));
  return !isOn(acl.deny) && isOn(acl.allow);
}

const matches = (glob: string, host: string): boolean => (/[*?]/u.test(glob) ? globOf(glob).test(host) : glob.toLowerCase() === host.toLowerCase());
const globOf = (glob: string): RegExp => new RegExp(`^${glob.replaceAll(/[.+^${}()|[\]\\]/gu, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`, 'iu');
