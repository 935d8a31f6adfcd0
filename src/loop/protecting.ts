import type { RoomId } from '../domain/brand.ts';
import { fail, ok, type Outcome } from '../domain/outcome.ts';
import { nextStep, type PolicyIdentity, type ProtectionStep } from '../domain/rooms/protection.ts';
import type { Homeserver, HomeserverFailure } from '../ports/homeserver.ts';
import type { PolicyServer } from '../ports/policyServer.ts';

/** A room needs seven steps at most; whatever undoes them meanwhile is an effect of its own. */
const MOST_STEPS = 8;

/** Puts a room under the policy server, or back under it; gives how many steps that took. Repeated, or broken off anywhere, it goes on from what is there. */
export async function protect(homeserver: Homeserver, policy: PolicyServer, template: string, roomId: RoomId, handedTo?: PolicyIdentity): Promise<Outcome<number, HomeserverFailure>> {
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const state = await homeserver.state(roomId);
    if (!state.ok) return state;
    const step = nextStep(state.value, template, homeserver.guardian, policy, handedTo);
    if (!step) return ok(steps);
    const done = await take(homeserver, policy, roomId, step);
    if (!done.ok) return done;
  }
  return fail('unavailable', 'the room doesn\'t stay as the policy server needs it: somebody else changes it', { retry: true });
}

function take(homeserver: Homeserver, policy: PolicyServer, roomId: RoomId, step: ProtectionStep): Promise<Outcome<void, HomeserverFailure>> {
  switch (step.kind) {
    case 'set': return homeserver.setState(roomId, step);
    case 'invite': return homeserver.invite(roomId, policy.userId);
    case 'join': return policy.join(roomId);
  }
}
