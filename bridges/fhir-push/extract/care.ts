/** CareTeam and Encounter as who has a patient in care, and until when. Nothing is concluded that they don't say. */
import type { Carer } from '../../../src/domain/care/care.ts';
import type { Identifier } from '../../../src/domain/people/recipient.ts';
import type { CareNews } from '../../../src/ports/bridge.ts';
import { asIdentifier } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import { problem } from '../outcome.ts';
import type { Issue } from '../outcome.ts';
import { conditionalIdentifier, localName, referencedType } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { patientKeys } from './patient.ts';
import { hasNul, identifiersIn, instant, keyOf, LONGEST, ownName, writtenAt } from './staff.ts';

/** While they say so themselves, these people care for the patient (FHIR R4 CareTeam.participant.member, Encounter.participant.individual). */
const TELLING = { CareTeam: { status: 'active', person: 'member' }, Encounter: { status: 'in-progress', person: 'individual' } } as const;

/** More would be a hospital, not a team; each is read whenever the patient's rooms and results are. */
const MOST_PEOPLE = 500;

export const careOf = (located: Located, scope: Scope): { readonly news: CareNews } | { readonly issues: readonly Issue[] } => {
  const { node, path } = located;
  const refused = (code: Issue['code'], diagnostics: string, at = path): { readonly issues: readonly Issue[] } => ({ issues: [problem(code, diagnostics, at)] });
  const team = ownName(located, scope);
  if (team === undefined) return refused('required', 'An id or an identifier is required: nothing else could name it again.');
  const { status, person } = TELLING[resourceType(node) === 'Encounter' ? 'Encounter' : 'CareTeam'];
  const participants = children(node, 'participant');
  if (participants.length > MOST_PEOPLE) return refused('too-costly', `It has at most ${MOST_PEOPLE} participants.`, `${path}.participant`);
  const patients = patientsOf(located, scope);
  if (patients === undefined) return refused('required', 'The patient has no identification: give an identifier, or a reference that names it.', `${path}.subject`);
  const care: CareNews['care'] = {
    source: scope.source.id, active: text(node, 'status') === status, ...periodOf(node),
    carers: participants.flatMap((participant) => carerIn(participant, child(participant, person), located, scope)),
  };
  const isStorable = care.carers.every(({ identifiers, holder }) => [...identifiers, ...(holder?.identifiers ?? [])].every(({ system, value }) => system.length + value.length < LONGEST)) && !hasNul(care);
  if (!isStorable) return refused('value', `Identifiers and references are at most ${LONGEST} characters long, with their system, and no text has a NUL character.`);
  return { news: { key: keyOf(node, [care, team, patients]), care, team, patientKeys: patients, ...writtenAt(node) } };
};

/** A team that is about a group, or about nobody, gives nobody a patient in care; and takes from its people whom it was about before. */
const patientsOf = (located: Located, scope: Scope): readonly string[] | undefined => {
  const subject = child(located.node, 'subject');
  const target = scope.resolve(subject, located);
  const type = referencedType(subject, target);
  if (subject === undefined || (type !== undefined && type !== 'Patient')) return [];
  const keys = patientKeys(subject, target, scope);
  return keys.length === 0 ? undefined : keys;
};

/** Practitioners and their roles. Not a team that is part of this one, an organisation, or the patient's family. */
const carerIn = (participant: Node, member: Node | undefined, team: Located, scope: Scope): readonly Carer[] => {
  const target = scope.resolve(member, team);
  const type = referencedType(member, target);
  if (member === undefined || (type !== undefined && type !== 'Practitioner' && type !== 'PractitionerRole')) return [];
  const identifiers = distinct(namesOf(member, target, scope));
  const role = target !== undefined && resourceType(target.node) === 'PractitionerRole' ? roleOf(target, localName(text(member, 'reference'), scope.source), scope) : {};
  return identifiers.length === 0 && role.holder === undefined ? [] : [{ identifiers, ...role, ...periodOf(participant) }];
};

/** Whose role it was when it came along, whatever became of it. */
export const holderNames = (role: Located | undefined, scope: Scope): readonly Identifier[] => {
  const practitioner = role !== undefined && resourceType(role.node) === 'PractitionerRole' ? child(role.node, 'practitioner') : undefined;
  return role === undefined || practitioner === undefined ? [] : namesOf(practitioner, scope.resolve(practitioner, role), scope);
};

/** Whose role it is by what came along, while it is; a role of nobody, or that has ended by its own word, is held by nobody. */
const roleOf = (role: Located, written: string | undefined, scope: Scope): Pick<Carer, 'post' | 'holder'> => {
  const practitioner = child(role.node, 'practitioner');
  const post = role.node === role.root ? ownName(role, scope) : written;
  const identifiers = practitioner === undefined || text(role.node, 'active') === 'false' ? [] : distinct(namesOf(practitioner, scope.resolve(practitioner, role), scope));
  return { ...(post === undefined ? {} : { post }), ...(identifiers.length === 0 ? {} : { holder: { identifiers, ...periodOf(role.node) } }) };
};

const periodOf = (node: Node): Pick<Carer, 'from' | 'until'> => {
  const period = child(node, 'period');
  return { ...instant('from', text(period, 'start'), 'start'), ...instant('until', text(period, 'end'), 'end') };
};

const distinct = (identifiers: readonly Identifier[]): readonly Identifier[] => [...new Map(identifiers.map((each) => [`${each.system}|${each.value}`, each])).values()];

/** Every name of a Practitioner, or of a post: whoever has it then. */
export const namesOf = (reference: Node, target: Located | undefined, scope: Scope): readonly Identifier[] => {
  const written = text(reference, 'reference');
  const logical = child(reference, 'identifier');
  const local = target?.local ?? localName(written, scope.source);
  return [logical === undefined ? undefined : asIdentifier(logical, scope), conditionalIdentifier(written), local === undefined ? undefined : { system: scope.localSystem, value: local }, ...(target === undefined ? [] : identifiersIn(target.node, scope))].filter((each) => each !== undefined);
};
