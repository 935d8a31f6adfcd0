import { as, type EffectId, type FactId, type RoomId, type ServerName, type UserId } from '../brand.ts';
import type { Context, Decision } from '../decision.ts';
import type { Effect } from '../effect.ts';
import { serverOf } from '../people/party.ts';
import { lookEffect } from '../rooms/look.ts';
import { admission } from './admission.ts';
import { closingAll } from './former.ts';
import type { GovernedRoom } from './governed.ts';
import { turnedAway } from './telling.ts';

/** Who is to be in a room in which people talk: asked of the policy, invited, or seen out. */

/** Of the room that is made next. */
export const openingOf = ({ key, roomId, former = [] }: GovernedRoom): EffectId => as<EffectId>(roomId === undefined ? `open:${key}` : `open:${key}:${former.length + 1}`);
export const invitationOf = ({ key, invitations }: GovernedRoom, userId: UserId): EffectId => as<EffectId>(`ask:${key}:${userId}:${invitations[userId] ?? 0}`);

export const partnersOf = (people: readonly UserId[], { settings: { ownServer } }: Pick<Context, 'settings'>): readonly ServerName[] => [...new Set(people.map(serverOf))].filter((server) => server !== ownServer).sort();

/** Asks the policy about everybody, and has those told whom it newly refuses. */
export function ask(before: GovernedRoom, context: Context, fact: FactId): Decision<GovernedRoom> {
  const { state, ...decision } = admit(before, context, fact);
  const { raise = [], audit } = turnedAway(before, state.refused, fact, context);
  return { ...decision, state, raise, audit: [...decision.audit, ...audit] };
}

/** Has the admitted invited, and the room looked at when somebody is no longer. */
function admit(before: GovernedRoom, context: Context, fact: FactId): Decision<GovernedRoom> {
  const { admitted, refused, speakers, audit } = admission(before, context);
  const { ownServer, templates } = context.settings;
  const isFederated = before.roomId === undefined ? admitted.some((userId) => serverOf(userId) !== ownServer) : before.made === 'federated' || before.servers.length > 0;
  const servers = isFederated ? partnersOf(admitted, context) : [];
  // Of a room from before this was noted, nobody knows it without its homeserver.
  const made = isFederated ? 'federated' : before.roomId === undefined ? 'local' : before.made;
  const state: GovernedRoom = { ...before, ...(made === undefined ? {} : { made }), admitted, refused, speakers, servers, members: Object.fromEntries(Object.entries(before.members).filter(([userId]) => admitted.some((each) => each === userId))) };
  if (admitted.length === 0 && before.roomId === undefined) return { state: { ...state, blocked: { code: 'policy', message: refused.map(({ userId, message, rules }) => `${userId}: ${message} [${rules.join(' ')}]`).join('; ') } }, audit };
  if (before.roomId === undefined) {
    const { blocked: _, ...rest } = state;
    return { state: rest, effects: [{ id: openingOf(state), lane: `governed:${state.key}`, body: { type: 'room.open', template: state.template, servers, speakers } }], wake: [`governed:${state.key}`], audit };
  }
  const late = templates?.get(state.template)?.federation === 'agreed' && !isFederated ? admitted.filter((userId) => serverOf(userId) !== ownServer) : [];
  const unreachable = late.map((userId) => ({ userId, rules: ['made-local'], message: 'This room was made for people of this hospital alone and never leaves it: make another for people of other hospitals.' }));
  const inside: GovernedRoom = { ...state, admitted: admitted.filter((userId) => !late.includes(userId)), refused: [...refused, ...unreachable] };
  const isSame = JSON.stringify([before.admitted, before.speakers, before.servers]) === JSON.stringify([inside.admitted, inside.speakers, inside.servers]);
  const { state: next, effects } = invite(inside, before.roomId, ownServer);
  const isLess = before.admitted.some((userId) => !inside.admitted.includes(userId));
  // The access list and the levels must be there before whoever needs them comes: both are in one lane.
  return { state: next, effects: [...(isSame ? [] : [lookEffect({ kind: 'governed', id: next.key }, before.roomId, fact)]), ...(isLess ? closingAll(next, fact) : []), ...effects], audit: isSame && effects.length === 0 ? audit.filter(({ action }) => action === 'rules.refused') : audit };
}

export function invite(state: GovernedRoom, roomId: RoomId, ownServer: string): { readonly state: GovernedRoom; readonly effects: readonly Effect[] } {
  const outside = state.admitted.filter((userId) => state.members[userId] === undefined);
  const next: GovernedRoom = {
    ...state,
    members: { ...state.members, ...Object.fromEntries(outside.map((userId) => [userId, 'wanted' as const])) },
    invitations: { ...state.invitations, ...Object.fromEntries(outside.map((userId) => [userId, (state.invitations[userId] ?? 0) + 1])) },
  };
  const effects = outside.map((userId): Effect => ({ id: invitationOf(next, userId), lane: `ask:${state.key}:${userId}`, body: { type: 'room.invite', roomId, userId }, ...(serverOf(userId) === ownServer ? {} : { destination: serverOf(userId) }) }));
  return { state: next, effects };
}
