import { as, type EffectId, type RoomId, type UserId } from '../brand.ts';
import type { Decision } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { FactOf } from '../fact.ts';
import { roomLane, type RoomState } from './room.ts';
import { isSame } from './same.ts';
import type { RoomPlan } from './template.ts';

type RoomDecision = Decision<RoomState | undefined>;

/**
 * A room that is replaced by another (`m.room.tombstone`, client-server API §11.31 "Room upgrades"). Only the guardian replaces rooms: whoever else
 * managed to send one would lead the recipient, and then their results, to a room of their own. That is an alarm, and is not followed.
 */
export function tombstoned(state: RoomState, { roomId, successor, sender, by, eventId }: FactOf<'room.tombstone'>): RoomDecision {
  const detail = { room: roomId, event: eventId, by: sender, ...(successor === undefined ? {} : { successor }) };
  if (roomId !== state.roomId) return { state, audit: [{ action: 'room.tombstone-former', because: 'of a room that this party had before', detail }] };
  if (by !== 'guardian') return { state, audit: [{ action: 'room.tombstone-refused', because: 'only the guardian replaces rooms: results stay in this one', detail }] };
  if (successor === undefined) return { state, audit: [{ action: 'room.upgrade-refused', because: 'the tombstone names no other room: results stay in this one', detail }] };
  const follow: Effect = { id: followingOf(successor), lane: roomLane(state.party), body: { type: 'room.follow', party: state.party, from: roomId, to: successor } };
  return { state: { ...state, successor }, effects: [follow], audit: [{ action: 'room.tombstone', because: 'the guardian replaces it', detail }] };
}

const followingOf = (successor: RoomId): EffectId => as<EffectId>(`follow:${successor}`);

export const isFollowing = (state: RoomState, effect: EffectId): boolean => state.successor !== undefined && effect === followingOf(state.successor);

/** The successor fits: it is the party's room from now on, and whoever was told of the former one is told again. Answers still come from there. */
export function moved(before: RoomState, roomId: RoomId): { readonly state: RoomState; readonly names: readonly RoomId[]; readonly audit: RoomDecision['audit'] } {
  const { successor: _, blocked: __, missing: ___, unprotected: ____, roomId: from, ...rest } = before;
  const former = from === undefined ? before.former : [...before.former, from];
  const waiting = [...before.open.filter((id) => !before.waiting.includes(id)), ...before.waiting];
  return {
    state: { ...rest, phase: 'ready', roomId, former, members: {}, untold: [], waiting, open: [] },
    names: [roomId, ...former],
    audit: [{ action: 'room.upgraded', because: 'its successor is the guardian\'s and as strict', detail: { room: roomId, party: before.party.id } }],
  };
}

export function notFollowed(before: RoomState, { code, message, final }: FactOf<'effect.failed'>): RoomDecision {
  if (!final) return { state: before, audit: [{ action: 'room.upgrade-waits', because: message, detail: { code } }] };
  const { successor = '', ...state } = before;
  return { state, audit: [{ action: 'room.upgrade-refused', because: `${message}: results stay in the former room`, detail: { code, successor } }] };
}

type StateOf = readonly { readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>>; readonly sender?: UserId }[];

/** Levels of power that protect a room when they are as high as planned. */
const LEVELS = ['events_default', 'state_default', 'invite', 'kick', 'ban', 'redact'] as const;

/**
 * Why a room isn't the guardian's own successor of another, with our template's protection; undefined: it is. `before` is the state of the room
 * that it replaces: the servers it admitted are the only ones that the successor may admit.
 */
export function unfit(plan: RoomPlan, guardian: UserId, from: RoomId, before: StateOf, after: StateOf): string | undefined {
  const event = (state: StateOf, type: string): StateOf[number] | undefined => state.find((each) => each.type === type && each.stateKey === '');
  const create = event(after, 'm.room.create');
  if (create?.sender !== guardian) return 'it was made by somebody else than the guardian';
  if ((create.content['predecessor'] as { readonly room_id?: unknown } | undefined)?.room_id !== from) return 'it doesn\'t name this room as the one before it';
  const { additional_creators: creators = [] } = create.content;
  if (!Array.isArray(creators) || creators.length > 0) return 'it has further creators, who stand above all levels of power';
  if (!plan.federated && create.content['m.federate'] !== false) return 'it is open to other servers';
  for (const { type, content } of plan.initialState) {
    if (type === 'm.room.server_acl' || type === 'org.aceso.template') continue;
    if (!isSame(event(after, type)?.content, content)) return `its ${type} is not the template's`;
  }
  if (!isSame(event(after, 'm.room.server_acl')?.content, event(before, 'm.room.server_acl')?.content)) return 'it admits other servers';
  const levels: Readonly<Record<string, unknown>> = event(after, 'm.room.power_levels')?.content ?? {};
  const lower = LEVELS.find((name) => !(Number(levels[name]) >= Number(plan.powerLevels[name])));
  if (lower !== undefined) return `its power level ${lower} is lower than the template's`;
  if (Number(levels['users_default'] ?? 0) !== 0) return 'its members have power';
  const powerful = Object.entries((levels['users'] ?? {}) as Record<string, unknown>).find(([userId, level]) => userId !== guardian && Number(level) !== 0);
  if (powerful) return `${powerful[0]} has power in it`;
  const planned = plan.powerLevels['events'] as Readonly<Record<string, number>>;
  const actual = (levels['events'] ?? {}) as Readonly<Record<string, number>>;
  const opened = Object.entries(actual).find(([type, level]) => level < (planned[type] ?? Number(plan.powerLevels['state_default'])) && level < Number(plan.powerLevels['state_default']));
  if (opened) return `members may send ${opened[0]}`;
  const closed = Object.entries(planned).find(([type, level]) => level === 0 && Number(actual[type] ?? levels['events_default']) > 0);
  return closed ? `members may not send ${closed[0]}` : undefined;
}
