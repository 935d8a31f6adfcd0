/** Whom a resource is about: the words for the message and the name that keys the seal. */
import type { PatientIdentity } from '../../../src/domain/clinical/report.ts';
import { identifierName, patientIdentifier, recordNumber } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import { problem } from '../outcome.ts';
import type { Issue } from '../outcome.ts';
import { conditionalIdentifier, localName, referencedType } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { nameText } from './words.ts';

export type Patient = { readonly identity: PatientIdentity; readonly key: string };

/** An issue when there is no patient, or none that could be found again: such a result is refused, never guessed. */
export const patientOf = (located: Located, scope: Scope): Patient | { readonly issue: Issue } => {
  const subject = child(located.node, 'subject');
  const at = `${located.path}.subject`;
  if (subject === undefined) return { issue: problem('required', 'A subject is required: Aceso delivers nothing that is about no patient.', at) };
  const target = scope.resolve(subject, located);
  const type = referencedType(subject, target);
  if (type !== undefined && type !== 'Patient') return { issue: problem('business-rule', 'The subject is not a Patient.', at) };
  const identifiers = [child(subject, 'identifier'), ...children(target?.node, 'identifier')].filter((each) => each !== undefined);
  const key = patientKey(identifiers, subject, target, scope);
  if (key === undefined) return { issue: problem('required', 'The patient has no identification: give an identifier, or a reference that names it.', target?.path ?? at) };
  return { identity: identityOf(identifiers, subject, target, scope), key };
};

const patientKey = (identifiers: readonly Node[], subject: Node, target: Located | undefined, scope: Scope): string | undefined => {
  const identifier = patientIdentifier(identifiers, scope);
  if (identifier !== undefined) return identifierName(identifier, scope);
  const reference = text(subject, 'reference');
  const conditional = conditionalIdentifier(reference);
  if (conditional !== undefined) return `${conditional.system}|${conditional.value}`;
  const local = target?.local ?? localName(reference, scope.source);
  return local === undefined ? undefined : `${scope.localSystem}|${local}`;
};

/** Every name under which a result may have this patient: the one that a result with the same patient would choose, and those of the reference alone. */
export const patientKeys = (subject: Node, target: Located | undefined, scope: Scope): readonly string[] => {
  const identifiers = [child(subject, 'identifier'), ...children(target?.node, 'identifier')].filter((each) => each !== undefined);
  const names = [patientKey(identifiers, subject, target, scope), patientKey([], subject, target, scope), patientKey([], subject, undefined, scope)];
  return [...new Set(names.filter((each) => each !== undefined))];
};

const identityOf = (identifiers: readonly Node[], subject: Node, target: Located | undefined, scope: Scope): PatientIdentity => {
  const birthDate = text(target?.node, 'birthDate');
  const sex = text(target?.node, 'gender');
  const mrn = recordNumberOf(identifiers, text(subject, 'reference'), target, scope);
  return {
    name: nameText(children(target?.node, 'name')) ?? text(subject, 'display') ?? '(name not sent)',
    ...(birthDate === undefined ? {} : { birthDate }), ...(sex === undefined ? {} : { sex }), ...(mrn === undefined ? {} : { mrn }),
  };
};

const recordNumberOf = (identifiers: readonly Node[], reference: string | undefined, target: Located | undefined, scope: Scope): PatientIdentity['mrn'] => {
  const identifier = recordNumber(identifiers, scope);
  const value = text(identifier, 'value');
  if (identifier === undefined || value === undefined) {
    const conditional = identifiers.length === 0 ? conditionalIdentifier(reference) : undefined;
    return conditional === undefined ? undefined : { value: conditional.value, authority: conditional.system };
  }
  const assigner = child(identifier, 'assigner');
  const organisation = target === undefined ? undefined : scope.resolve(assigner, target);
  const named = organisation !== undefined && resourceType(organisation.node) === 'Organization' ? text(organisation.node, 'name') : undefined;
  return { value, authority: text(assigner, 'display') ?? named ?? text(identifier, 'system') ?? scope.source.name };
};
