import { as, type EffectId } from '../brand.ts';
import type { Decision } from '../decision.ts';
import type { Effect, EffectBody, EffectResult } from '../effect.ts';
import type { Aggregate, Fact, FactOf, Membership } from '../fact.ts';

/**
 * A homeserver pushes to application services also what it shows to nobody: events that fit where their server put them and not the room as it is ("soft failure", server-server API
 * §"Checks performed on receipt of a PDU"), such as those of a hospital whose people were removed, or without the policy server's signature. A critical result answered by one of them
 * would be closed by what nobody sees. So what comes from another server waits until ours shows it.
 */
export function claimed(state: unknown, { aggregate, body }: Fact & { readonly body: FactOf<'room.claimed'> }): Decision<unknown> {
  const { roomId, eventId, sender, said } = body;
  return { state, effects: [asking(aggregate, `confirm:${eventId}`, { type: 'event.confirm', roomId, eventId, sender, said })], audit: [] };
}

/** In the order of whom it is about: of one person each is counted in order, and nobody waits for somebody else's. */
function asking({ id: room }: Aggregate, id: string, body: Extract<EffectBody, { readonly type: 'event.confirm' }>): Effect {
  const about = body.said.type === 'room.member' ? body.said.userId : body.sender;
  return { id: as<EffectId>(id), lane: `confirm:${room}:${about}`, body };
}

/** The fact that counts: what was claimed, once it is shown; any other as it is. */
export function counting(state: unknown, fact: Fact): Fact {
  const { body } = fact;
  return body.type === 'effect.done' && body.result.type === 'event.confirm' && body.result.shown === 'yes' && !endedMeanwhile(state, body.result) ? { ...fact, body: body.result.said } : fact;
}

/**
 * What our own server's people do counts at once: the guardian may have taken somebody out after the homeserver was asked whether they are in, and before its answer counts. Whoever is
 * out by what was heard is asked about once more: that answer is younger.
 */
function endedMeanwhile(state: unknown, { said, again }: Confirmed): boolean {
  if (again || said.type !== 'room.member' || (said.membership !== 'join' && said.membership !== 'invite')) return false;
  const is = (state as { readonly members?: Readonly<Record<string, Membership>> } | undefined)?.members?.[said.userId];
  return is === 'left' || is === 'declined';
}

type Confirmed = Extract<EffectResult, { readonly type: 'event.confirm' }>;

/** What became of asking when it doesn't count (yet); undefined for any other fact. */
export function notCounting(state: unknown, { aggregate, body }: Fact): Decision<unknown> | undefined {
  if (body.type === 'effect.failed' && body.kind === 'event.confirm') return { state, audit: [{ action: 'event.unconfirmed', because: 'the homeserver doesn\'t show it now: it is asked again', detail: { effect: body.effect, code: body.code } }] };
  if (body.type !== 'effect.done' || body.result.type !== 'event.confirm') return undefined;
  const { eventId, sender, said, shown } = body.result;
  if (shown === 'yes') return said.type === 'room.member' ? { state, effects: [asking(aggregate, `confirm:${eventId}:again`, { type: 'event.confirm', roomId: said.roomId, eventId, sender, said, again: true })], audit: [] } : undefined;
  const detail = { event: eventId, sender, said: said.type };
  if (shown === 'overtaken') return { state, audit: [{ action: 'member.overtaken', because: 'their membership is another by now', detail }] };
  if (shown === 'unknown') return { state, audit: [{ action: 'event.not-asked', because: 'the guardian has been out of the room for a day, and is shown nothing of it: it changes nothing', detail }] };
  return { state, audit: [{ action: 'event.not-shown', because: 'the homeserver shows it to nobody in the room: it changes nothing', detail }] };
}
