/** Specimen: what it is, what is wrong with it, and a name that stays the same when it is sent again. */
import type { SpecimenLine } from '../../../src/domain/clinical/report.ts';
import { identifierName } from '../identity.ts';
import { child, children, text } from '../node.ts';
import type { Node } from '../node.ts';
import { localName } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { annotations, conceptText, periodText } from './words.ts';

export type SpecimenPart = { readonly key: string; readonly located?: Located; readonly line: SpecimenLine; readonly collectedAt?: string };

export const specimenOf = (reference: Node | undefined, from: Located, scope: Scope): SpecimenPart | undefined => {
  if (reference === undefined) return undefined;
  const target = scope.resolve(reference, from);
  const node = target?.node;
  const accession = child(node, 'accessionIdentifier') ?? children(node, 'identifier')[0] ?? child(reference, 'identifier');
  const number = text(accession, 'value');
  const type = conceptText(child(node, 'type')) ?? text(reference, 'display') ?? 'Specimen';
  const name = (accession === undefined ? undefined : identifierName(accession, scope)) ?? target?.local ?? localName(text(reference, 'reference'), scope.source) ?? type;
  const collection = child(node, 'collection');
  const collectedAt = text(collection, 'collectedDateTime') ?? text(child(collection, 'collectedPeriod'), 'start') ?? periodText(child(collection, 'collectedPeriod'));
  return {
    key: name,
    line: { type, condition: node === undefined ? [] : conditionOf(node), ...(number === undefined ? {} : { accession: number }) },
    ...(target === undefined ? {} : { located: target }),
    ...(collectedAt === undefined ? {} : { collectedAt }),
  };
};

/** Everything that may make the reader doubt the specimen (42 CFR 493.1291(c)(7)). */
const conditionOf = (node: Node): readonly string[] => [
  ...(text(node, 'status') === 'unsatisfactory' ? ['unsatisfactory'] : []),
  ...children(node, 'condition').map(conceptText).filter((each) => each !== undefined),
  ...annotations(node),
];
