/** Expands ValueSets far enough for the required bindings of R4 (FHIR R4 §4.9 ValueSet, "Value Set Expansion"). */

export type CodeSystem = { readonly url: string; readonly content?: string; readonly concept?: readonly Concept[] };
type Concept = { readonly code: string; readonly concept?: readonly Concept[] };
type Include = { readonly system?: string; readonly concept?: readonly { readonly code: string }[]; readonly filter?: readonly unknown[]; readonly valueSet?: readonly string[] };
export type ValueSet = { readonly url: string; readonly compose?: { readonly include?: readonly Include[]; readonly exclude?: readonly Include[] } };

/** The codes a value set allows: by themselves (for `code`) and with their system (for `Coding`). */
export type CodeSet = { readonly codes: ReadonlySet<string>; has(system: string, code: string): boolean };

/** Undefined when the set can't be listed from what is packaged: then nothing can be said about a code. */
export const codeSetFor = (url: string, valueSets: ReadonlyMap<string, ValueSet>, codeSystems: ReadonlyMap<string, CodeSystem>): CodeSet | undefined => {
  const pairs = expand(url, valueSets, codeSystems, new Set());
  if (pairs === undefined) return undefined;
  return { codes: new Set([...pairs].map((pair) => pair.slice(pair.indexOf('|') + 1))), has: (system, code) => pairs.has(`${system}|${code}`) };
};

type Pairs = ReadonlySet<string>;

const expand = (url: string, valueSets: ReadonlyMap<string, ValueSet>, codeSystems: ReadonlyMap<string, CodeSystem>, path: ReadonlySet<string>): Pairs | undefined => {
  const bare = url.split('|', 1)[0] ?? url;
  const compose = valueSets.get(bare)?.compose;
  if (compose?.include === undefined || path.has(bare)) return undefined;
  const within = new Set([...path, bare]);
  const includes = compose.include.map((part) => listed(part, valueSets, codeSystems, within));
  const excludes = (compose.exclude ?? []).map((part) => listed(part, valueSets, codeSystems, within));
  if (!includes.every((part) => part !== undefined) || !excludes.every((part) => part !== undefined)) return undefined;
  const out = new Set(excludes.flatMap((part) => [...part]));
  return new Set(includes.flatMap((part) => [...part]).filter((pair) => !out.has(pair)));
};

/** One include: its concepts, or its whole system, cut with every value set that it names. */
const listed = (part: Include, valueSets: ReadonlyMap<string, ValueSet>, codeSystems: ReadonlyMap<string, CodeSystem>, path: ReadonlySet<string>): Pairs | undefined => {
  if (part.filter !== undefined) return undefined;
  const sets = (part.valueSet ?? []).map((url) => expand(url, valueSets, codeSystems, path));
  if (!sets.every((set) => set !== undefined)) return undefined;
  const own = ofSystem(part, codeSystems);
  if (part.system !== undefined && own === undefined) return undefined;
  const [first, ...rest] = own === undefined ? sets : [own, ...sets];
  return first === undefined ? undefined : new Set([...first].filter((pair) => rest.every((set) => set.has(pair))));
};

const ofSystem = ({ system, concept }: Include, codeSystems: ReadonlyMap<string, CodeSystem>): Pairs | undefined => {
  if (system === undefined) return undefined;
  if (concept !== undefined) return new Set(concept.map(({ code }) => `${system}|${code}`));
  const known = codeSystems.get(system);
  if (known?.content !== 'complete' || known.concept === undefined) return undefined;
  return new Set(flatten(known.concept).map((code) => `${system}|${code}`));
};

const flatten = (concepts: readonly Concept[]): readonly string[] => concepts.flatMap((each) => [each.code, ...flatten(each.concept ?? [])]);
