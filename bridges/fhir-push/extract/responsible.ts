/** Whom a resource is for: who ordered it, who attends the encounter, whom it is addressed to. Never who performed or interpreted it. */
import type { Candidate } from '../../../src/domain/people/recipient.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Located, Scope } from '../reference.ts';
import { candidatesOf, displayOf } from './people.ts';

/** The orders behind a resource, and those behind its parts when it names none itself. */
export const ordersOf = (located: Located, parts: readonly Located[], scope: Scope): readonly Located[] => {
  const own = basedOn(located, scope);
  return own.length > 0 ? own : parts.flatMap((part) => basedOn(part, scope));
};

const basedOn = (located: Located, scope: Scope): readonly Located[] =>
  children(located.node, 'basedOn').map((reference) => scope.resolve(reference, located)).filter((each) => each !== undefined && resourceType(each.node) === 'ServiceRequest') as readonly Located[];

export const ordererOf = (orders: readonly Located[], scope: Scope): string | undefined =>
  orders.map((order) => displayOf(child(order.node, 'requester'), order, scope)).find((each) => each !== undefined);

/** `requester` from the orders, `attending` and `covering` from the encounter of the resource or of its order. */
export const responsibleFor = (located: Located, orders: readonly Located[], scope: Scope): readonly Candidate[] => {
  const requesters = orders.flatMap((order) => candidatesOf('requester', child(order.node, 'requester'), order, scope));
  return distinct([...requesters, ...[located, ...orders].flatMap((each) => ofEncounter(each, scope))]);
};

/** v3 ParticipationType `ATND` attends; other clinicians of the encounter, and its care team where it is named, cover. */
const ofEncounter = (located: Located, scope: Scope): readonly Candidate[] => {
  const encounter = scope.resolve(child(located.node, 'encounter'), located);
  if (encounter === undefined) return [];
  return children(encounter.node, 'participant').flatMap((participant) => {
    if (text(child(participant, 'period'), 'end') !== undefined) return [];
    const types = children(participant, 'type').flatMap((type) => children(type, 'coding')).map((coding) => text(coding, 'code'));
    return candidatesOf(types.includes('ATND') ? 'attending' : 'covering', child(participant, 'individual'), encounter, scope);
  });
};

/** Communication.recipient and CommunicationRequest.recipient. */
export const addressees = (located: Located, scope: Scope): readonly Candidate[] =>
  distinct(children(located.node, 'recipient').flatMap((reference) => candidatesOf('addressed', reference, located, scope)));

const distinct = (candidates: readonly Candidate[]): readonly Candidate[] => [...new Map(candidates.map((each) => [JSON.stringify(each), each])).values()];
