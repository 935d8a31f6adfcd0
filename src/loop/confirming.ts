import type { EffectBody, EffectResult } from '../domain/effect.ts';
import { fail, ok, type Outcome } from '../domain/outcome.ts';
import type { Homeserver } from '../ports/homeserver.ts';

type Confirmed = Extract<EffectResult, { readonly type: 'event.confirm' }>;

/** One worker of a homeserver may push an event a moment before another shows it. What is shown to nobody never is. */
const SHOWN_WITHIN_MS = 5000;

/**
 * Whether what somebody of another server did counts: the homeserver shows the event to the guardian, and a membership is still what the event says. One that was asked about while the
 * homeserver was away may have ended since, and the event that ended it been counted already.
 */
export async function confirm(homeserver: Pick<Homeserver, 'shows' | 'membership'>, { roomId, eventId, sender, said }: Extract<EffectBody, { readonly type: 'event.confirm' }>, waitedMs: number): Promise<Outcome<Confirmed>> {
  const confirmed = (shown: Confirmed['shown']): Outcome<Confirmed> => ok({ type: 'event.confirm', eventId, sender, said, shown });
  if (said.type === 'room.member') {
    const membership = await homeserver.membership(roomId, said.userId);
    if (!membership.ok) return fail(membership.error.code, membership.error.message, { ...membership.error, retry: true });
    if (membership.value === said.membership) return confirmed('yes');
  }
  const shown = await homeserver.shows(roomId, eventId);
  if (!shown.ok) return shown;
  if (shown.value) return confirmed(said.type === 'room.member' ? 'overtaken' : 'yes');
  return waitedMs < SHOWN_WITHIN_MS ? fail('not-shown', 'the homeserver pushed it, and doesn\'t show it yet', { retry: true }) : confirmed('no');
}
