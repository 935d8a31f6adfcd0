import type { EffectBody, EffectResult } from '../domain/effect.ts';
import { fail, ok, type Failure, type Outcome } from '../domain/outcome.ts';
import type { Homeserver, HomeserverFailure } from '../ports/homeserver.ts';

type Confirmed = Extract<EffectResult, { readonly type: 'event.confirm' }>;

/** One worker of a homeserver may push an event a moment before another shows it. What is shown to nobody never is. */
const SHOWN_WITHIN_MS = 5000;

/** While the guardian is not in the room it is shown nothing. Until then somebody may let it in again; after that the event counts for nothing, and what is left open by that is as open as before it. */
const LET_IN_WITHIN_MS = 24 * 3_600_000;

/**
 * Whether what somebody of another server did counts: the homeserver shows the event to the guardian, and a membership is still what the event says. One that was asked about while the
 * homeserver was away may have ended since, and the event that ended it been counted already.
 */
export async function confirm(homeserver: Pick<Homeserver, 'shows' | 'membership'>, { roomId, eventId, sender, said, again }: Extract<EffectBody, { readonly type: 'event.confirm' }>, waitedMs: number): Promise<Outcome<Confirmed>> {
  const confirmed = (shown: Confirmed['shown']): Outcome<Confirmed> => ok({ type: 'event.confirm', eventId, sender, said, shown, ...(again ? { again } : {}) });
  const notAnswered = (error: Failure<HomeserverFailure>): Outcome<Confirmed> => (error.code === 'forbidden' && waitedMs >= LET_IN_WITHIN_MS ? confirmed('unknown') : fail(error.code, error.message, { ...error, retry: true }));
  if (said.type === 'room.member') {
    const membership = await homeserver.membership(roomId, said.userId);
    if (!membership.ok) return notAnswered(membership.error);
    if (membership.value === said.membership) return confirmed('yes');
  }
  const shown = await homeserver.shows(roomId, eventId);
  if (!shown.ok) return notAnswered(shown.error);
  if (shown.value) return confirmed(said.type === 'room.member' ? 'overtaken' : 'yes');
  return waitedMs < SHOWN_WITHIN_MS ? fail('not-shown', 'the homeserver pushed it, and doesn\'t show it yet', { retry: true }) : confirmed('no');
}
