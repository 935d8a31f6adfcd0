/** Observations as lines: with their components, with their members, each under a key that its later versions share. */
import type { ObservationLine, ReportStatus } from '../../../src/domain/clinical/report.ts';
import { child, children, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located, Scope } from '../reference.ts';
import { interpretationOf } from './interpretation.ts';
import { specimenOf } from './specimen.ts';
import type { SpecimenPart } from './specimen.ts';
import { absentReason, referenceRangeOf, valueOf } from './value.ts';
import { annotations, conceptText } from './words.ts';

/** `unshown`: a note for each part that is named but isn't among the lines. */
export type Lines = { readonly lines: readonly ObservationLine[]; readonly parts: readonly Located[]; readonly unshown: readonly string[] };

/** The observations that `references` name, each once, in order. `specimen` is that of those which name none. */
export const linesOf = (references: readonly Node[], from: Located, scope: Scope, specimen: SpecimenPart | undefined): Lines => {
  const gathered = gather(references, from, { scope, specimen, seen: new Set() }, '', 0);
  return { ...gathered, lines: distinctKeys(gathered.lines) };
};

/** A lone observation, its components and members. */
export const linesOfObservation = (located: Located, scope: Scope): Lines => {
  const gathered = ofObservation(located, { scope, specimen: undefined, seen: new Set([located.node]) }, undefined, 0);
  return { ...gathered, lines: distinctKeys(gathered.lines) };
};

type Round = { readonly scope: Scope; readonly specimen: SpecimenPart | undefined; readonly seen: Set<Node> };

/** Members of members of members: no panel is deeper. */
const DEEPEST = 8;
const notSent = (name: string | undefined): string => (name === undefined ? 'A result of this report was not sent with it.' : `Not sent with this report: ${name}`);

const gather = (references: readonly Node[], from: Located, round: Round, parent: string, depth: number): Lines => {
  const lines: ObservationLine[] = [];
  const parts: Located[] = [];
  const unshown: string[] = [];
  for (const reference of references) {
    const target = round.scope.resolve(reference, from);
    if (target === undefined) unshown.push(notSent(text(reference, 'display')));
    if (target === undefined || round.seen.has(target.node)) continue;
    if (depth > DEEPEST) {
      unshown.push(`Nested too deep to be shown: ${conceptText(child(target.node, 'code')) ?? 'a result'}`);
      continue;
    }
    round.seen.add(target.node);
    const found = ofObservation(target, round, parent, depth);
    lines.push(...found.lines);
    parts.push(...found.parts);
    unshown.push(...found.unshown);
  }
  return { lines, parts, unshown };
};

/** `parent`: name of the observation it is a member of; undefined when it is the report itself, whose name is the title already. */
const ofObservation = (located: Located, round: Round, parent: string | undefined, depth: number): Lines => {
  const { node } = located;
  const own = lineOf(node, located, round, parent ?? '', undefined);
  const heading = parent === undefined ? '' : own.name;
  const components = children(node, 'component').map((component) => lineOf(component, located, round, heading, own));
  const members = gather(children(node, 'hasMember'), located, round, heading, depth + 1);
  const says = own.value !== undefined || own.absent !== undefined || own.interpretation !== undefined || own.notes.length > 0;
  const isHeading = !says && components.length + members.lines.length > 0;
  return { lines: [...(isHeading ? [] : [own]), ...components, ...members.lines], parts: [located, ...members.parts], unshown: members.unshown };
};

/** A line of an observation, or of one of its components, which has its observation's status, specimen and time. */
const lineOf = (node: Node, located: Located, round: Round, parent: string, of: ObservationLine | undefined): ObservationLine => {
  const concept = child(node, 'code');
  const coding = codingOf(concept);
  const specimen = specimenOf(child(located.node, 'specimen'), located, round.scope) ?? round.specimen;
  const name = conceptText(concept) ?? 'Unnamed test';
  const code = text(coding, 'code');
  const value = valueOf(node);
  const absent = absentReason(node);
  const interpretation = interpretationOf(node);
  const referenceRange = referenceRangeOf(node);
  const observedAt = text(located.node, 'effectiveDateTime') ?? text(located.node, 'effectiveInstant') ?? text(child(located.node, 'effectivePeriod'), 'start');
  const codeKey = `${text(coding, 'system') ?? ''}|${code ?? name}`;
  return {
    key: of === undefined ? `${specimen?.key ?? ''} ${codeKey}` : `${of.key} > ${codeKey}`,
    name: parent === '' ? name : `${parent}: ${name}`,
    status: of?.status ?? statusOf(node),
    notes: of === undefined ? [...annotations(node), ...circumstances(node)] : [],
    ...(code === undefined ? {} : { code }), ...(value === undefined ? {} : { value }), ...(absent === undefined ? {} : { absent }),
    ...(interpretation === undefined ? {} : { interpretation }), ...(referenceRange === undefined ? {} : { referenceRange }),
    ...(specimen === undefined ? {} : { specimen: specimen.line.type }), ...(observedAt === undefined ? {} : { observedAt }),
  };
};

/** LOINC first, since it is what two laboratories share. */
const codingOf = (concept: Node | undefined): Node | undefined => {
  const codings = children(concept, 'coding').filter((coding) => text(coding, 'code') !== undefined);
  return codings.find((coding) => text(coding, 'system') === 'http://loinc.org') ?? codings[0];
};

/** What a reader needs to judge a value, where the laboratory says it. */
const circumstances = (node: Node): readonly string[] => {
  const method = conceptText(child(node, 'method'));
  const site = conceptText(child(node, 'bodySite'));
  return [...(method === undefined ? [] : [`Method: ${method}`]), ...(site === undefined ? [] : [`Body site: ${site}`])];
};

/** The required binding is checked: R4's ObservationStatus is part of ReportStatus. */
export const statusOf = (node: Node): ReportStatus => (text(node, 'status') ?? 'unknown') as ReportStatus;

/** Two values of one code on one specimen are told apart by their time, else by their order, so that none hides the other. */
const distinctKeys = (lines: readonly ObservationLine[]): readonly ObservationLine[] => {
  const counts = Map.groupBy(lines, ({ key }) => key);
  const used = new Set<string>();
  return lines.map((line) => {
    const timed = (counts.get(line.key)?.length ?? 0) > 1 && line.observedAt !== undefined ? `${line.key} @ ${line.observedAt}` : line.key;
    let key = timed;
    for (let number = 2; used.has(key); number += 1) key = `${timed} #${number}`;
    used.add(key);
    return { ...line, key };
  });
};
