/** DiagnosticReport and Observation → ClinicalReport. */
import type { ClinicalReport, Organisation } from '../../../src/domain/clinical/report.ts';
import type { Candidate } from '../../../src/domain/people/recipient.ts';
import { fillerIdentifier } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located, Scope } from '../reference.ts';
import { linesOf, linesOfObservation, statusOf } from './observation.ts';
import type { Patient } from './patient.ts';
import { displayOf, isOrganisation, organisationOf } from './people.ts';
import { encountersOf, ordererOf, ordersOf, responsibleFor } from './responsible.ts';
import { specimenOf } from './specimen.ts';
import type { SpecimenPart } from './specimen.ts';
import { unshownNotes } from './unshown.ts';
import { conceptText } from './words.ts';

/** `related`: the resources that the report was made of, all of which have to be about the same patient. */
export type Extract = { readonly report: ClinicalReport; readonly candidates: readonly Candidate[]; readonly related: readonly Located[] };

export const resultOf = (located: Located, patient: Patient, scope: Scope): Extract => {
  const { node } = located;
  const isReport = resourceType(node) === 'DiagnosticReport';
  const found = isReport ? linesOf(children(node, 'result'), located, scope, specimenOfReport(located, scope)) : linesOfObservation(located, scope);
  const specimens = specimensOf(located, found.parts, scope);
  const orders = ordersOf(located, found.parts, scope);
  const number = text(fillerIdentifier(node, scope), 'value') ?? specimens.map(({ line }) => line.accession).find((each) => each !== undefined);
  const report: ClinicalReport = {
    kind: 'result', status: statusOf(node), priority: priorityOf(orders), patient: patient.identity,
    title: conceptText(child(node, 'code')) ?? (isReport ? 'Diagnostic report' : 'Observation'),
    observations: specimens.length > 1 ? found.lines : found.lines.map(({ specimen: _, ...line }) => line),
    notes: [...found.unshown, ...unshownNotes(located)],
    specimens: specimens.map(({ line }) => line),
    reporters: reportersOf([located, ...found.parts], scope),
    ...present('conclusion', conclusionOf(node)), ...present('orderer', ordererOf(orders, scope)),
    ...present('collectedAt', effectiveOf(node) ?? specimens.map((each) => each.collectedAt).find((each) => each !== undefined)),
    ...present('reportedAt', text(node, 'issued')), ...present('fillerNumber', number),
    ...present('laboratory', laboratoryOf([located, ...found.parts], scope)),
  };
  const encounters = encountersOf([located, ...orders], scope);
  return { report, candidates: responsibleFor(located, orders, encounters, scope), related: [...found.parts, ...orders, ...encounters, ...specimens.flatMap(({ located: specimen }) => specimen ?? [])] };
};

/** A member that is left out when it has no value, as `exactOptionalPropertyTypes` asks. */
export const present = <Name extends string, T>(name: Name, value: T | undefined): { readonly [K in Name]?: T } => (value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: T };

const effectiveOf = (node: Node): string | undefined =>
  text(node, 'effectiveDateTime') ?? text(node, 'effectiveInstant') ?? text(child(node, 'effectivePeriod'), 'start') ?? text(child(node, 'effectivePeriod'), 'end');

/** Each specimen once: those of the report, then those of its observations. */
const specimensOf = (located: Located, parts: readonly Located[], scope: Scope): readonly SpecimenPart[] => {
  const own = resourceType(located.node) === 'DiagnosticReport' ? children(located.node, 'specimen').map((reference) => specimenOf(reference, located, scope)) : [];
  const all = [...own, ...parts.map((part) => specimenOf(child(part.node, 'specimen'), part, scope))].filter((each) => each !== undefined);
  return [...new Map(all.map((each) => [each.key, each])).values()];
};

/** That of the report's observations which name none themselves. */
const specimenOfReport = (located: Located, scope: Scope): SpecimenPart | undefined => {
  const [only, ...more] = children(located.node, 'specimen');
  return more.length > 0 ? undefined : specimenOf(only, located, scope);
};

const conclusionOf = (node: Node): string | undefined => {
  const said = [text(node, 'conclusion'), ...children(node, 'conclusionCode').map(conceptText)].filter((each) => each !== undefined);
  return said.length === 0 ? undefined : [...new Set(said)].join('\n');
};

/** ServiceRequest.priority; the gravest when there are several. */
const priorityOf = (orders: readonly Located[]): ClinicalReport['priority'] => {
  const given = new Set(orders.map((order) => text(order.node, 'priority')));
  return (['stat', 'asap', 'urgent'] as const).find((each) => given.has(each)) ?? 'routine';
};

/** The performing laboratory (42 CFR 493.1291(c)(2)): the first performer that is an organisation or works for one. */
const laboratoryOf = (all: readonly Located[], scope: Scope): Organisation | undefined =>
  all.flatMap((each) => children(each.node, 'performer').map((reference) => organisationOf(reference, each, scope))).find((each) => each !== undefined);

const reportersOf = (all: readonly Located[], scope: Scope): readonly string[] => {
  const names = all.flatMap((each) => [...children(each.node, 'performer'), ...children(each.node, 'resultsInterpreter')]
    .filter((reference) => !isOrganisation(reference, each, scope)).map((reference) => displayOf(reference, each, scope)));
  return [...new Set(names.filter((each) => each !== undefined))];
};
