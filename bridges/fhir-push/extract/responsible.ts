/** Whom a resource is for: who ordered it, who attends the encounter, whom it is addressed to. Never who performed or interpreted it. */
import type { Candidate } from '../../../src/domain/people/recipient.ts';
import { asIdentifier } from '../identity.ts';
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

/** The encounters in which these resources stand. */
export const encountersOf = (located: readonly Located[], scope: Scope): readonly Located[] => {
  const found = located.map((each) => scope.resolve(child(each.node, 'encounter'), each)).filter((each) => each !== undefined);
  return [...new Map(found.map((each) => [each.node, each])).values()];
};

/** `requester` from the orders, `attending` and `covering` from the encounters, `covering` from care teams that came along. */
export const responsibleFor = (located: Located, orders: readonly Located[], encounters: readonly Located[], scope: Scope): readonly Candidate[] => {
  const requesters = orders.flatMap((order) => candidatesOf('requester', child(order.node, 'requester'), order, scope));
  return distinct([...requesters, ...encounters.flatMap((each) => ofEncounter(each, scope)), ...careTeams(located, encounters, scope)]);
};

/** Takes part in an encounter and is no clinician to be told: escort, translator, emergency contact. */
const OTHERS = new Set(['ESC', 'TRANS', 'translator', 'emergency']);

/** v3 ParticipationType `ATND` attends; the other clinicians of the encounter cover. Who has left is neither. */
const ofEncounter = (encounter: Located, scope: Scope): readonly Candidate[] =>
  children(encounter.node, 'participant').flatMap((participant) => {
    const types = children(participant, 'type').flatMap((type) => children(type, 'coding')).map((coding) => text(coding, 'code') ?? '');
    if (text(child(participant, 'period'), 'end') !== undefined || types.some((type) => OTHERS.has(type))) return [];
    return candidatesOf(types.includes('ATND') ? 'attending' : 'covering', child(participant, 'individual'), encounter, scope);
  });

/** Active care teams of the bundle for this patient or encounter. */
const careTeams = (located: Located, encounters: readonly Located[], scope: Scope): readonly Candidate[] => {
  const patient = scope.resolve(child(located.node, 'subject'), located)?.node;
  const isMeant = (team: Located): boolean => {
    const encounter = scope.resolve(child(team.node, 'encounter'), team)?.node;
    if (encounter !== undefined) return encounters.some(({ node }) => node === encounter);
    return patient !== undefined && scope.resolve(child(team.node, 'subject'), team)?.node === patient;
  };
  const teams = scope.members.filter((each) => resourceType(each.node) === 'CareTeam' && (text(each.node, 'status') ?? 'active') === 'active' && isMeant(each));
  return teams.flatMap((team) => [...ofTeam(team, scope), ...children(team.node, 'participant').flatMap((each) => candidatesOf('covering', child(each, 'member'), team, scope))]);
};

const ofTeam = (team: Located, scope: Scope): readonly Candidate[] => {
  const own = children(team.node, 'identifier').map((each) => asIdentifier(each, scope)).filter((each) => each !== undefined);
  const identifiers = team.local === undefined ? own : [...own, { system: scope.localSystem, value: team.local }];
  return identifiers.length === 0 ? [] : [{ rule: 'covering', identifiers }];
};

/** Communication.recipient and CommunicationRequest.recipient. */
export const addressees = (located: Located, scope: Scope): readonly Candidate[] =>
  distinct(children(located.node, 'recipient').flatMap((reference) => candidatesOf('addressed', reference, located, scope)));

const distinct = (candidates: readonly Candidate[]): readonly Candidate[] => [...new Map(candidates.map((each) => [JSON.stringify(each), each])).values()];
