/** What makes an arrival itself: which fact it is, which report it belongs to, by what names it can be asked for. */
import { createHash } from 'node:crypto';
import type { ClinicalReport } from '../../src/domain/clinical/report.ts';
import type { Candidate, Identifier } from '../../src/domain/people/recipient.ts';
import { isLosslessNumber } from 'lossless-json';
import { child, children, isNode, resourceType, text } from './node.ts';
import type { Node } from './node.ts';
import type { Scope } from './reference.ts';

/** HL7 v2 table 0203, the types of identifiers (FHIR R4 §4.3 "identifier-type"). */
const hasType = (identifier: Node, code: string): boolean => children(child(identifier, 'type'), 'coding').some((coding) => text(coding, 'code') === code);

const hasValue = (identifier: Node): boolean => text(identifier, 'value') !== undefined;

/** `system|value`, under the source's own name where the sender gave no system. */
export const identifierName = (identifier: Node, scope: Scope): string | undefined => {
  const value = text(identifier, 'value');
  return value === undefined ? undefined : `${text(identifier, 'system') ?? scope.plainSystem}|${value}`;
};

export const asIdentifier = (identifier: Node, scope: Scope): Identifier | undefined => {
  const value = text(identifier, 'value');
  return value === undefined ? undefined : { system: text(identifier, 'system') ?? scope.plainSystem, value };
};

/**
 * A medical record number that may be shown as one: of a configured system, of type `MR`, or without a type. Never a social security
 * number or whatever else an identifier of another type may be.
 */
export const recordNumber = (identifiers: readonly Node[], scope: Scope): Node | undefined => {
  const current = identifiers.filter((each) => hasValue(each) && text(each, 'use') !== 'old');
  return bySystem(current, scope.source.identifierSystems?.patient) ?? current.find((each) => hasType(each, 'MR')) ?? current.find((each) => child(each, 'type') === undefined);
};

/** What names the patient: the record number, else any identifier. */
export const patientIdentifier = (identifiers: readonly Node[], scope: Scope): Node | undefined => recordNumber(identifiers, scope) ?? identifiers.find(hasValue);

/** The laboratory's own number of the report: of a configured system, of type `FILL` or `ACSN`, else the first. */
export const fillerIdentifier = (node: Node, scope: Scope): Node | undefined => {
  const identifiers = children(node, 'identifier').filter(hasValue);
  return bySystem(identifiers, scope.source.identifierSystems?.filler) ?? identifiers.find((each) => hasType(each, 'FILL')) ?? identifiers.find((each) => hasType(each, 'ACSN')) ?? identifiers[0];
};

const bySystem = (identifiers: readonly Node[], systems: readonly string[] | undefined): Node | undefined =>
  (systems ?? []).map((system) => identifiers.find((each) => text(each, 'system') === system)).find((each) => each !== undefined);

/** `Type?identifier=system|value` of each identifier; a missing system stays empty, as in a token search (FHIR R4 §3.1.1.4.10). */
export const namesOf = (node: Node): readonly string[] => {
  const tokens = children(node, 'identifier').flatMap((each) => {
    const value = text(each, 'value');
    return value === undefined ? [] : [`${resourceType(node)}?identifier=${text(each, 'system') ?? ''}|${value}`];
  });
  return [...new Set(tokens)];
};

/** Which report: patient and filler number, else the id at the source, else the content. */
export const reportKeyOf = (node: Node, patientKey: string, scope: Scope): string => {
  const filler = fillerIdentifier(node, scope);
  const id = text(node, 'id');
  const name = filler === undefined ? undefined : identifierName(filler, scope);
  const rest = name ?? (id === undefined ? `sha256|${digest(node)}` : `${scope.localSystem}|${resourceType(node)}/${id}`);
  return `${patientKey} ${rest}`;
};

/**
 * Which fact: the type, its own name, and a digest of its content and of all that was taken from its surroundings, so that the same again
 * is the same and a changed one never is.
 */
export const factKeyOf = (node: Node, scope: Scope, taken: unknown): string => {
  const id = text(node, 'id');
  const version = text(child(node, 'meta'), 'versionId');
  const first = children(node, 'identifier').map((each) => identifierName(each, scope)).find((each) => each !== undefined);
  const name = id !== undefined && version !== undefined ? `${id}/${version}` : (first ?? id ?? '');
  return `${resourceType(node)} ${name} ${sha256(canonical([withoutUpdated(node), taken]))}`;
};

/**
 * A name for what a report says and to whom, whatever technical details it came with. It is kept beside the identifiers, so that an
 * `If-None-Exist` that matches can tell the same again from a new version.
 */
export const contentNameOf = (type: string, reportKey: string, { reportedAt: _, ...said }: ClinicalReport, candidates: readonly Candidate[]): string =>
  `${type}?_content=${sha256(canonical([reportKey, said, candidates]))}`;

const digest = (node: Node): string => sha256(canonical(withoutUpdated(node)));

const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');

const withoutUpdated = (node: Node): Node => {
  const meta = child(node, 'meta');
  if (meta === undefined) return node;
  const { lastUpdated: _, ...kept } = meta;
  return { ...node, meta: kept };
};

/** JSON with sorted names and numbers as they came. A `urn:uuid` is made up for each bundle, so its digits say nothing. */
const canonical = (value: unknown): string => {
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isNode(value)) return value === undefined ? 'null' : JSON.stringify(value);
  const members = Object.keys(value).sort().filter((name) => value[name] !== undefined);
  return `{${members.map((name) => `${JSON.stringify(name)}:${name === 'reference' ? canonical(withoutUuid(value[name])) : canonical(value[name])}`).join(',')}}`;
};

const withoutUuid = (reference: unknown): unknown => (typeof reference === 'string' && /^urn:uuid:/i.test(reference) ? 'urn:uuid' : reference);
