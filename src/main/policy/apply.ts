import { createHash, randomUUID } from 'node:crypto';
import { as } from '../../domain/brand.ts';
import type { GovernedRoom } from '../../domain/governed/governed.ts';
import type { Organisation } from '../../domain/policy/agreement.ts';
import type { RoomState } from '../../domain/rooms/room.ts';
import type { Notes } from '../../ports/notes.ts';
import type { IncomingFact, Store } from '../../ports/store.ts';

const APPLIED = 'policy.applied';
const ALL = 1_000_000;

/**
 * Has everything asked again that was decided by other rules, or under other agreements: who may be in each room, and what is held because the policy refused
 * it. At each change; cut short, it is done again, which changes nothing more. Gives how many facts that was.
 */
export async function applyPolicy(store: Store, notes: Notes, revision: string, organisations: readonly Organisation[]): Promise<number> {
  const basis = createHash('sha256').update(JSON.stringify([revision, organisations])).digest('hex');
  if ((await notes.read(APPLIED)) === basis) return 0;
  const rooms = (await store.states('room')) as readonly RoomState[];
  const governed = (await store.states('governed')) as readonly GovernedRoom[];
  const held = (await store.deliveries({ held: true, limit: ALL })).filter((delivery) => delivery.held?.code === 'policy');
  const at = as<IncomingFact['at']>(Date.now());
  const facts: readonly IncomingFact[] = [
    ...governed.map(({ key: id }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'governed', id }, at, body: { type: 'policy.changed', revision } })),
    ...rooms.map(({ party: { id } }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'room', id }, at, body: { type: 'policy.changed', revision } })),
    ...held.map(({ id }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'delivery', id }, at, body: { type: 'operator.retry', by: `policy ${revision.slice(0, 12)}` } })),
  ];
  await store.receive(facts);
  await notes.write(APPLIED, basis);
  return facts.length;
}
