import { as, type EffectId, type FactId, type RoomId } from '../brand.ts';
import type { AuditEntry, Context, Decision } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { FactBody, FactOf } from '../fact.ts';
import { lookEffect } from '../rooms/look.ts';
import { admission } from './admission.ts';
import { closing, closingAll } from './former.ts';
import { ask, openingOf, partnersOf } from './asking.ts';
import type { GovernedRoom } from './governed.ts';

type GovernedDecision = Decision<GovernedRoom>;

/**
 * A room that is replaced by another of its template (client-server API §"Room upgrades"): the new one is made first, and has the key and the people from the moment it is there; then the
 * former is closed. Asked for again before that, it is the same upgrade.
 */
export function upgrade(before: GovernedRoom, { by, to }: FactOf<'operator.upgrade'>, context: Context, fact: FactId): GovernedDecision {
  const { roomId: replaces } = before;
  const refused = (because: string): GovernedDecision => ({ state: before, audit: [{ action: 'room.upgrade-refused', because, detail: { room: before.key, by } }] });
  if (replaces === undefined) return refused('there is no room yet');
  const { to: wanted = to } = before.replacing ?? {};
  if (wanted !== to) return refused(`it is being replaced by one of version ${wanted}: ask again when that is there`);
  const { state, effects = [], audit, ...asked } = ask(before, context, fact);
  const { admitted, speakers } = admission(before, context);
  if (admitted.length === 0) return refused('the policy lets nobody of its people in');
  const servers = partnersOf(admitted, context);
  const lane = `governed:${before.key}`;
  return {
    ...asked, state: { ...state, replacing: { servers, to } }, wake: [lane],
    effects: [...effects, { id: openingOf(before), lane, body: { type: 'room.open', template: before.template, servers, speakers, replaces, version: to } }],
    audit: [{ action: 'room.upgrade-asked', because: `by ${by}`, detail: { room: before.key, version: to } }, ...audit],
  };
}

/** The successor is there: whom the policy lets in by now is invited to it, and the former is closed. */
export function replaced(before: GovernedRoom, effect: EffectId, roomId: RoomId, context: Context, fact: FactId): GovernedDecision {
  const { replacing, blocked: _, looked: __, changedBy: ___, ...rest } = before;
  const { roomId: from, former = [] } = before;
  if (!replacing || from === undefined || effect !== openingOf(before)) return { state: before, audit: [] };
  const successor: GovernedRoom = { ...rest, roomId, former: [...former, from], servers: replacing.servers, made: replacing.servers.length > 0 ? 'federated' : 'local', members: {} };
  const { state, effects = [], audit, ...asked } = ask(successor, context, fact);
  return {
    ...asked, state, names: [roomId, ...former, from],
    // Looked at in any case: who may write in it can have changed since it was asked for.
    effects: [lookEffect({ kind: 'governed', id: state.key }, roomId, fact), ...effects.filter(({ body }) => body.type !== 'room.repair' && body.type !== 'room.close'), ...closingAll(state, fact)],
    audit: [{ action: 'room.upgraded', because: 'it has a successor, made from its template', detail: { room: roomId, from, key: before.key } }, ...audit],
  };
}

/** The room that is there goes on being the one in use. */
export function notReplaced(before: GovernedRoom, audit: AuditEntry, final: boolean): GovernedDecision {
  if (!final) return { state: before, audit: [{ ...audit, action: 'room.upgrade-waits' }] };
  const { replacing: _, ...state } = before;
  return { state, audit: [{ ...audit, action: 'room.upgrade-refused' }] };
}

/** Nobody writes there any more, nor is anybody in it who isn't let in now. What still comes in clear is taken out, and should somebody open it again, it is closed again. */
export function ofFormer(state: GovernedRoom, body: Extract<FactBody, { readonly roomId: RoomId }>, fact: FactId): GovernedDecision {
  switch (body.type) {
    case 'room.clear-text':
      return { state, effects: [{ id: as<EffectId>(`redact:${body.eventId}`), lane: `redact:${body.eventId}`, body: { type: 'room.redact', roomId: body.roomId, eventId: body.eventId, reason: 'Not encrypted: this room takes encrypted messages only.' } }], audit: [{ action: 'clear-text.removed', because: 'PHI rooms take ciphertext only (45 CFR 164.312(e)(1))', detail: { event: body.eventId, sender: body.sender } }] };
    case 'room.changed':
      return { state, effects: [closing(state, body.roomId, fact)], audit: [{ action: 'room.changed', because: 'it was replaced, and stays closed', detail: { room: body.roomId, what: body.what, by: body.by } }] };
    case 'room.unprotected': {
      const protect: Effect = { id: as<EffectId>(`protect:${fact}`), lane: `protect:${body.roomId}`, body: { type: 'room.protect', roomId: body.roomId, template: state.template } };
      // Also what the guardian does there needs the policy server's word.
      return { state, effects: [...(body.edge === 'power-levels' ? [] : [protect]), closing(state, body.roomId, fact)], audit: [{ action: body.edge === 'start' ? 'policy.wanted' : 'policy.opened', because: 'it was replaced, and stays closed', detail: { room: body.roomId, edge: body.edge, by: body.by } }] };
    }
    case 'room.member':
      if ((body.membership !== 'join' && body.membership !== 'invite') || state.admitted.includes(body.userId)) return { state, audit: [] };
      return { state, effects: [closing(state, body.roomId, fact)], audit: [{ action: 'member.unexpected', because: 'the policy doesn\'t let them in: they are taken out', detail: { user: body.userId, membership: body.membership, by: body.sender } }] };
    default:
      return { state, audit: [] };
  }
}
