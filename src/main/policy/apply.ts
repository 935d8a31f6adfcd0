import { createHash, randomUUID } from 'node:crypto';
import { as } from '../../domain/brand.ts';
import { isKeptBack } from '../../domain/delivery/delivery.ts';
import type { GovernedRoom } from '../../domain/governed/governed.ts';
import type { Organisation } from '../../domain/policy/agreement.ts';
import type { RoomState } from '../../domain/rooms/room.ts';
import type { Notes } from '../../ports/notes.ts';
import type { IncomingFact, Store } from '../../ports/store.ts';
import { GONE_MS } from '../presence.ts';

/** By which rules it was asked last. */
const APPLIED = 'policy.applied';
/** By which rules it was asked when every worker that decides went by them. Not there while they don't. */
const SHARED = 'policy.shared';
/** By which rules a worker decides now. */
const JUDGING = 'policy.judging:';
const ALL = 1_000_000;

export type PolicyParts = { readonly store: Store; readonly notes: Notes; readonly worker: string };

/** What a verdict goes by, beside what is asked. */
export const basisOf = (revision: string, organisations: readonly Organisation[]): string => createHash('sha256').update(JSON.stringify([revision, organisations])).digest('hex');

/**
 * At a start, and when rules or agreements change here: has everything asked again that was decided by others, who may be in each room, and what is held because
 * the policy refused it. Cut short, it is done again, which changes nothing more. Gives how many facts that was.
 */
export async function applyPolicy(parts: PolicyParts, revision: string, organisations: readonly Organisation[]): Promise<number> {
  const basis = basisOf(revision, organisations);
  const isShared = await look(parts, basis);
  if ((await parts.notes.read(APPLIED)) === basis && (!isShared || (await parts.notes.read(SHARED)) === basis)) return 0;
  return askAgain(parts, revision, basis, isShared ? [APPLIED, SHARED] : [APPLIED]);
}

/**
 * From time to time: another worker may have decided by its old rules what was asked again when this one had the new. So all is asked once more as soon as no
 * worker that decides goes by others; until then nothing is, or two that differ would ask for ever.
 */
export async function sharePolicy(parts: PolicyParts, revision: string, organisations: readonly Organisation[]): Promise<number> {
  const basis = basisOf(revision, organisations);
  return !(await look(parts, basis)) || (await parts.notes.read(SHARED)) === basis ? 0 : askAgain(parts, revision, basis, [APPLIED, SHARED]);
}

/** This worker decides no more. */
export const leavePolicy = ({ notes, worker }: PolicyParts): Promise<void> => notes.remove(`${JUDGING}${worker}`);

/** Says by what this worker decides, and whether all that decide go by the same. */
async function look({ store, notes, worker }: PolicyParts, basis: string): Promise<boolean> {
  const [judging, workers, now] = await Promise.all([notes.list(JUDGING), store.workers(), store.clock()]);
  if (judging.get(`${JUDGING}${worker}`) !== basis) await notes.write(`${JUDGING}${worker}`, basis);
  const others = workers.filter(({ id, roles, seenAt }) => id !== worker && roles.includes('decider') && now - seenAt <= GONE_MS);
  const isShared = others.every(({ id }) => judging.get(`${JUDGING}${id}`) === basis);
  if (!isShared) await notes.remove(SHARED);
  else for (const name of judging.keys()) if (name !== `${JUDGING}${worker}` && !others.some(({ id }) => name === `${JUDGING}${id}`)) await notes.remove(name);
  return isShared;
}

async function askAgain({ store, notes }: PolicyParts, revision: string, basis: string, done: readonly string[]): Promise<number> {
  const rooms = (await store.states('room')) as readonly RoomState[];
  const governed = (await store.states('governed')) as readonly GovernedRoom[];
  const held = (await store.deliveries({ held: true, limit: ALL })).filter(isKeptBack);
  const at = as<IncomingFact['at']>(Date.now());
  const facts: readonly IncomingFact[] = [
    ...governed.map(({ key: id }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'governed', id }, at, body: { type: 'policy.changed', revision } })),
    ...rooms.map(({ party: { id } }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'room', id }, at, body: { type: 'policy.changed', revision } })),
    ...held.map(({ id }): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'delivery', id }, at, body: { type: 'operator.retry', by: `policy ${revision.slice(0, 12)}` } })),
  ];
  await store.receive(facts);
  for (const name of done) await notes.write(name, basis);
  return facts.length;
}
