import { fail, ok, type Outcome } from '../domain/outcome.ts';
import { planRoom, type RoomPeople, type RoomTemplate } from '../domain/rooms/template.ts';
import { admittingPolicy } from '../domain/rooms/protection.ts';
import { unfit } from '../domain/rooms/upgrade.ts';
import type { EffectBody, EffectResult } from '../domain/effect.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { PolicyServer } from '../ports/policyServer.ts';
import { protect } from './protecting.ts';

type Follow = Extract<EffectBody, { readonly type: 'room.follow' }>;
type Followed = Extract<EffectResult, { readonly type: 'room.follow' }>;

/** Looks whether a room's successor is ours and as strict, brings the courier into it, and puts it under the policy server: it is used by nobody before. */
export async function follow(homeserver: Homeserver, policy: PolicyServer | undefined, template: RoomTemplate, people: RoomPeople, { party, from, to }: Follow): Promise<Outcome<Followed>> {
  const [before, after] = await Promise.all([homeserver.state(from), homeserver.state(to)]);
  if (!before.ok) return before;
  if (!after.ok) return after.error.code === 'forbidden' || after.error.code === 'not-found' ? fail('unfit', `${to} can't be followed: the guardian is not in it`) : after;
  const { room_version: version } = after.value.find(({ type }) => type === 'm.room.create')?.content ?? {};
  const plan = planRoom({ ...template, roomVersion: typeof version === 'string' ? version : '1' }, party, people);
  const why = plan.version === version ? unfit(plan, homeserver.guardian, from, admittingPolicy(before.value, policy), admittingPolicy(after.value, policy)) : 'a partner can\'t join its version';
  if (why !== undefined) return fail('unfit', `${to} can't be followed: ${why}`);
  const invited = await homeserver.invite(to, homeserver.courier);
  if (!invited.ok) return invited;
  const entered = await homeserver.joinAsCourier(to);
  if (!entered.ok) return entered;
  const guarded = policy === undefined ? ok(0) : await protect(homeserver, policy, template.id, to);
  return guarded.ok ? ok({ type: 'room.follow', roomId: to }) : guarded;
}
