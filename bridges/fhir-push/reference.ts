/** What a Reference points at (FHIR R4 §2.3.0.5, §3.1.5 "Resolving references in Bundles"): contained, in the same bundle, or only known by name. */
import type { Identifier } from '../../src/domain/people/recipient.ts';
import { DEFAULT_BASE_SYSTEM } from './config.ts';
import type { FhirPushConfig, SourceConfig } from './config.ts';
import { children, isNode, resourceType, text } from './node.ts';
import type { Node } from './node.ts';

/** A resource and where it stands. */
export type Located = {
  readonly node: Node;
  /** FHIRPath of the resource, e.g. `Bundle.entry[3].resource`. */
  readonly path: string;
  /** The resource whose `contained` its `#` references mean: itself, unless it is contained. */
  readonly root: Node;
  readonly rootPath: string;
  /** Where it lives at the source, e.g. `Practitioner/123`; absent for what only has a `urn:uuid` or is contained. */
  readonly local?: string;
  /** Base of its own relative references. */
  readonly base?: string;
};

/** A resource of a bundle with the URL that stands for it there. */
export type BundleMember = Located & { readonly fullUrl?: string };

export type Scope = {
  readonly source: SourceConfig;
  /** Identifier system of the source's own references, `urn:aceso:source:<id>:fhir`. */
  readonly localSystem: string;
  /** Identifier system for values that came without one. */
  readonly plainSystem: string;
  /** The resources of the bundle; none for a resource that came alone. */
  readonly members: readonly BundleMember[];
  /** Security labels of the bundle itself: they hold for each of its resources. */
  readonly labels: readonly Node[];
  resolve(reference: Node | undefined, from: Located): Located | undefined;
};

export const createScope = (config: FhirPushConfig, source: SourceConfig, members: readonly BundleMember[], labels: readonly Node[] = []): Scope => {
  const plainSystem = `${config.fhirBaseSystem ?? DEFAULT_BASE_SYSTEM}:${source.id}`;
  const byUrl = new Map<string, BundleMember>();
  for (const member of members) {
    for (const url of [member.local, member.fullUrl]) if (url !== undefined && !byUrl.has(url)) byUrl.set(url, member);
  }
  return {
    source, members, labels, plainSystem, localSystem: `${plainSystem}:fhir`,
    resolve: (reference, from) => {
      const to = text(reference, 'reference');
      if (to === undefined) return undefined;
      if (to === '#') return { ...from, node: from.root, path: from.rootPath };
      if (to.startsWith('#')) return containedIn(from, to.slice(1));
      const unversioned = to.replace(VERSION, '');
      const absolute = from.base === undefined || isAbsolute(unversioned) ? undefined : from.base + unversioned;
      return (absolute === undefined ? undefined : byUrl.get(absolute)) ?? byUrl.get(unversioned) ?? byUrl.get(localName(unversioned, source) ?? unversioned);
    },
  };
};

const VERSION = /\/_history\/[A-Za-z0-9\-.]{1,64}$/;
const RELATIVE = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;
const isAbsolute = (url: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(url);

const containedIn = ({ root, rootPath, base }: Located, id: string): Located | undefined => {
  const found = containedOf(root).get(id);
  return found === undefined ? undefined : { node: found.node, path: `${rootPath}.contained[${found.index}]`, root, rootPath, ...(base === undefined ? {} : { base }) };
};

const indexes = new WeakMap<Node, ReadonlyMap<string, { readonly node: Node; readonly index: number }>>();

/** The contained resources by id, indexed once: a report may have thousands. */
const containedOf = (root: Node): ReadonlyMap<string, { readonly node: Node; readonly index: number }> => {
  const known = indexes.get(root) ?? new Map(children(root, 'contained').map((node, index) => [text(node, 'id') ?? '', { node, index }]));
  indexes.set(root, known);
  return known;
};

/**
 * A reference as the source's own name of the resource: `Practitioner/123`, also when it came absolute under the source's own base.
 * An absolute reference elsewhere stays whole, because another server's Practitioner/123 is another person. Undefined for `#` and `urn:`.
 */
export const localName = (reference: string | undefined, { fhirBase }: SourceConfig): string | undefined => {
  const bare = reference?.replace(VERSION, '');
  if (bare === undefined || bare.startsWith('#') || /^urn:/i.test(bare)) return undefined;
  if (RELATIVE.test(bare)) return bare;
  const under = fhirBase === undefined ? undefined : `${fhirBase.replace(/\/$/, '')}/`;
  if (under !== undefined && bare.startsWith(under)) return bare.slice(under.length);
  return /^https?:\/\//i.test(bare) ? bare : undefined;
};

/** A conditional reference, `Practitioner?identifier=system|value` (FHIR R4 §3.1.0.11.3), as the identifier it means. */
export const conditionalIdentifier = (reference: string | undefined): Identifier | undefined => {
  const query = /^[A-Z][A-Za-z]+\?(.*)$/s.exec(reference ?? '')?.[1];
  const token = query === undefined ? null : new URLSearchParams(query).get('identifier');
  const bar = token?.indexOf('|') ?? -1;
  return token === null || bar < 1 || bar === token.length - 1 ? undefined : { system: token.slice(0, bar), value: token.slice(bar + 1) };
};

/** The type a reference means, by its own word, its target or its text. */
export const referencedType = (reference: Node | undefined, target: Located | undefined): string | undefined =>
  target === undefined ? (text(reference, 'type') ?? /(?:^|\/)([A-Z][A-Za-z]+)[/?]/.exec(text(reference, 'reference') ?? '')?.[1]) : resourceType(target.node);

/** Everything a resource refers to, directly or through others, as far as it came along. Without itself. */
export const reachable = (located: Located, scope: Scope): ReadonlySet<Node> => {
  const found = new Set<Node>([located.node]);
  const queue = [located];
  for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
    for (const target of targetsIn(from.node, from, scope)) {
      if (found.has(target.node)) continue;
      found.add(target.node);
      queue.push(target);
    }
  }
  found.delete(located.node);
  return found;
};

const targetsIn = (value: unknown, from: Located, scope: Scope): readonly Located[] => {
  if (Array.isArray(value)) return value.flatMap((each) => targetsIn(each, from, scope));
  if (!isNode(value)) return [];
  const target = scope.resolve(value, from);
  return [...(target === undefined ? [] : [target]), ...Object.values(value).flatMap((each) => targetsIn(each, from, scope))];
};
