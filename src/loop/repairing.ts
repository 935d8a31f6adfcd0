import type { RoomId } from '../domain/brand.ts';
import type { GovernedRoom } from '../domain/governed/governed.ts';
import { fail, ok, type Outcome } from '../domain/outcome.ts';
import { assess, planRepairs, type Finding, type Repair, type RoomRule, type StateOfRoom } from '../domain/rooms/assess.ts';
import { closingOf } from '../domain/rooms/closing.ts';
import { standardFor, type OurRoom, type Ours } from '../domain/rooms/standard.ts';
import type { Faults } from '../ports/faults.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { Store } from '../ports/store.ts';

/** Looks at a room and puts back what isn't as its template and the policy would have it. Repeated, or broken off anywhere, it goes on from what is there. */
export async function repair(homeserver: Homeserver, roomId: RoomId, load: () => Promise<OurRoom | undefined>, ours: Ours): Promise<Outcome<{ readonly findings: readonly Finding[]; readonly repaired: readonly RoomRule[] }>> {
  const state = await homeserver.state(roomId);
  if (!state.ok) return state;
  // After the look: whoever was let in meanwhile is among its people by now, and isn't taken out.
  const room = await load();
  if (!room) return fail('not-found', 'the room is not one of Aceso\'s any more');
  // Replaced meanwhile: to put its levels back would open it again.
  if (room.state.roomId !== roomId) return ok({ findings: [], repaired: [] });
  const standard = standardFor(room, state.value, ours);
  const findings = assess(state.value, standard);
  const set = await setAll(homeserver, roomId, planRepairs(findings, standard));
  return set.ok ? ok({ findings, repaired: set.value }) : set;
}

/** Closes a room that was replaced, and takes everybody out of it who isn't let in now. Repeated, or broken off anywhere, it goes on from what is there. */
export async function close(homeserver: Homeserver, roomId: RoomId, successor: RoomId, load: () => Promise<OurRoom | undefined>, ours: Ours, faults: Faults): Promise<Outcome<number>> {
  const state = await homeserver.state(roomId);
  if (!state.ok) return state;
  // After the look, as above.
  const set = await setAll(homeserver, roomId, openIn(await load(), state.value, successor, ours), () => faults.at('room.closing'));
  return set.ok ? ok(set.value.length) : set;
}

/** What keeps a room that was replaced from being closed, and from having in it only who is let in. */
export function openIn(room: OurRoom | undefined, state: StateOfRoom, successor: RoomId, ours: Ours): readonly Repair[] {
  const standard = room && standardFor(room, state, ours);
  const strangers = standard ? planRepairs(assess(state, standard), standard).filter(({ type, content }) => type === 'm.room.policy' || content['membership'] === 'leave') : [];
  return [...closingOf(state, successor, ours.people.guardian).map((setting): Repair => ({ rule: 'power-levels', ...setting })), ...strangers];
}

/** One that is refused for good doesn't keep the others from being put back: whoever may not be in the room is taken out. The refusal is told all the same. */
async function setAll(homeserver: Homeserver, roomId: RoomId, repairs: readonly Repair[], eachSet: () => void = () => undefined): Promise<Outcome<readonly RoomRule[]>> {
  const repaired: RoomRule[] = [];
  let refusal: Outcome<never> | undefined;
  for (const { rule, ...event } of repairs) {
    const set = await homeserver.setState(roomId, event);
    // A partner that is away is asked again by the sweep, and holds up nothing else.
    if (!set.ok && rule === 'standby' && event.content['membership'] === 'invite') continue;
    // Whom it names goes only after it names another.
    if (!set.ok && (set.error.retry || event.type === 'm.room.policy')) return set;
    if (!set.ok) refusal ??= set;
    else {
      repaired.push(rule);
      eachSet();
    }
  }
  return refusal ?? ok(repaired);
}

/** What of a room drifted, without touching it; undefined where there is nothing to hold it to. */
export function findingsIn(room: OurRoom, state: StateOfRoom, ours: Ours): readonly Finding[] {
  return assess(state, standardFor(room, state, ours));
}

/** The room in which people talk that has, or had, this one. */
export async function governedRoom(store: Pick<Store, 'lookup'>, roomId: RoomId): Promise<Extract<OurRoom, { readonly kind: 'governed' }> | undefined> {
  const state = (await store.lookup([{ kind: 'governed', name: roomId }])).get(roomId)?.state;
  return state === undefined ? undefined : { kind: 'governed', state: state as GovernedRoom };
}

/** The room as it is in the database now. */
export async function loadRoom(store: Pick<Store, 'load'>, { kind, id }: { readonly kind: 'room' | 'governed'; readonly id: string }): Promise<OurRoom | undefined> {
  const state = (await store.load({ kind, id }))?.state;
  return state === undefined ? undefined : ({ kind, state } as OurRoom);
}
