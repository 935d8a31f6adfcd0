/** For each entry that a bundle may have. */
const CONTAINED_PER_ENTRY = 4;

/**
 * How many resources a request may contain beside its entries. Invariants look each reference up among them (ref-1), so that the time they take
 * grows with the square.
 */
export const containsTooMany = (resources: readonly (Node | undefined)[], source: SourceConfig, expression: string): Refusal | undefined => {
  const limit = CONTAINED_PER_ENTRY * (source.maxEntries ?? DEFAULT_MAX_ENTRIES);
  const contained = resources.reduce((sum, each) => sum + children(each, 'contained').length, 0);
  return contained <= limit ? undefined : refusal(413, 'too-many-resources', problem('too-costly', `A request of this source contains at most ${limit} resources within others.`, expression));
};

/** The validator's findings as a refusal: 422 (FHIR R4 §3.1.0.8 "create", "the proposed resource violated applicable FHIR profiles or server business rules"). */
import type { FhirValidator } from '../../src/ports/bridge.ts';
import { DEFAULT_MAX_ENTRIES } from './config.ts';
import type { SourceConfig } from './config.ts';
import { children, isNode } from './node.ts';
import type { Node } from './node.ts';
import { problem, refusal } from './outcome.ts';
import type { Issue, Refusal, Result } from './outcome.ts';

export const validated = (validator: FhirValidator, resource: unknown): Result<undefined> => {
  const issues = errorsOf(validator, resource);
  return issues.length === 0 ? { ok: true, value: undefined } : { ok: false, refusal: { status: 422, event: 'invalid-resource', issues } };
};

export const errorsOf = (validator: FhirValidator, resource: unknown): readonly Issue[] => validator.validate(resource).filter(({ severity }) => severity === 'error');

/** Of a batch: the bundle by itself, then each resource by itself, so that one that can't be read keeps none of the others from being checked. */
export const errorsOfBatch = (validator: FhirValidator, bundle: unknown): { readonly bundle: readonly Issue[]; readonly entries: ReadonlyMap<number, readonly Issue[]> } => {
  const entry = isNode(bundle) ? bundle['entry'] : undefined;
  if (!isNode(bundle) || !Array.isArray(entry) || !entry.every(isNode)) return { bundle: errorsOf(validator, bundle), entries: new Map() };
  const bare = errorsOf(validator, { ...bundle, entry: entry.map(({ resource: _, ...rest }) => rest) });
  const entries = entry.flatMap(({ resource }, index) => {
    const issues = resource === undefined ? [] : errorsOf(validator, resource).map((issue) => within(issue, `Bundle.entry[${index}].resource`));
    return issues.length === 0 ? [] : [[index, issues] as const];
  });
  return { bundle: bare, entries: new Map(entries) };
};

/** `Observation.status` as it is called from outside: `Bundle.entry[3].resource.status`. */
const within = ({ expression, ...issue }: Issue, path: string): Issue => ({ ...issue, expression: (expression ?? '').replace(/^[A-Za-z]*/, path) });
