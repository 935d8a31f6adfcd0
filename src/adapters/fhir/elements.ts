/**
 * Walks a resource along its R4 types and reports what Medplum's validator lets pass: codes outside required bindings, empty arrays and objects, two
 * types of one `value[x]`, names that JavaScript's own objects have, control characters, objects where a primitive belongs.
 * Expressions are built from the definitions alone, and so are the texts: a name or value of the resource never gets into an issue.
 */
import type { InternalSchemaElement, InternalTypeSchema } from '@medplum/core';
import type { ValidationIssue } from '../../ports/bridge.ts';
import { bindingIssue } from './bindings.ts';
import { choiceName } from './definitions.ts';
import type { Definitions } from './definitions.ts';

type Json = Readonly<Record<string, unknown>>;
type Slot = { readonly name: string; readonly type: string; readonly element: InternalSchemaElement };
/** `isShape`: the JSON isn't of the kind its type asks for, so that Medplum can't be trusted to read it without throwing. */
type Finding = ValidationIssue & { readonly isShape?: true };
type Findings = readonly Finding[];

export type Walk = { readonly issues: readonly ValidationIssue[]; readonly hasShape: boolean };

export const walkResource = (resource: unknown, definitions: Definitions): Walk => {
  const findings = walker(definitions)(resource, undefined);
  return { issues: findings.map(({ isShape: _, ...issue }) => issue), hasShape: findings.every(({ isShape }) => isShape !== true) };
};

const NONE: Findings = [];
const issue = (code: ValidationIssue['code'], expression: string, diagnostics: string): Findings => [{ code, severity: 'error', expression, diagnostics }];
const misshapen = (code: ValidationIssue['code'], expression: string, diagnostics: string): Findings => [{ code, severity: 'error', expression, diagnostics, isShape: true }];

/** FHIR R4 §2.24.0.1 "string": no characters below U+0020 but tab, line feed and carriage return. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

const walker = (definitions: Definitions): ((value: unknown, path: string | undefined) => Findings) => {
  const resource = (value: unknown, path: string | undefined): Findings => {
    const at = path ?? 'Resource';
    if (!isObject(value)) return misshapen('structure', at, 'A resource is a JSON object.');
    const type = Object.hasOwn(value, 'resourceType') ? value['resourceType'] : undefined;
    if (type === undefined) return misshapen('required', at, 'resourceType is missing.');
    const schema = typeof type === 'string' && definitions.isResource(type) ? definitions.schema(type) : undefined;
    if (typeof type !== 'string' || schema === undefined) return misshapen('structure', at, 'resourceType is not the name of a FHIR R4 resource.');
    const id = Object.hasOwn(value, 'id') ? value['id'] : undefined;
    const badId = typeof id === 'string' && !ID.test(id) ? issue('value', `${path ?? type}.id`, 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".') : NONE;
    return [...badId, ...object(value, schema, path ?? type)];
  };

  const object = (value: Json, schema: InternalTypeSchema, path: string): Findings => {
    const keys = Object.keys(value);
    if (keys.length === 0) return issue('structure', path, 'An object in FHIR JSON is never empty.');
    const slots = slotsOf(schema);
    const chosen = new Map<string, string>();
    return keys.flatMap((key, index) => {
      if (key === 'resourceType' && definitions.isResource(schema.name)) return NONE;
      const isCompanion = key.startsWith('_');
      const name = isCompanion ? key.slice(1) : key;
      const slot = slots.get(name);
      if (slot === undefined || (isCompanion && !isPrimitive(slot.type))) return unknown(name, index, path);
      const at = `${path}.${slot.name}`;
      const before = chosen.get(slot.name) ?? name;
      chosen.set(slot.name, name);
      const found = values(value[key], isCompanion ? companion(slot) : slot, at);
      return before === name ? found : [...found, ...issue('structure', at, 'Only one type of this element may be given.')];
    });
  };

  /** A name that the definitions have may be repeated to the sender; any other may be anything, and is counted instead. */
  const unknown = (name: string, index: number, path: string): Findings =>
    definitions.isElementName(name) ? issue('structure', `${path}.${name}`, 'This type has no such element.') : issue('structure', path, `Member ${index + 1} of this object is not an element of this type.`);

  const values = (value: unknown, slot: Slot, path: string): Findings => {
    if (slot.element.isArray !== true) return Array.isArray(value) ? misshapen('structure', path, 'This element does not repeat: it is no JSON array.') : single(value, slot, path);
    if (!Array.isArray(value)) return misshapen('structure', path, 'This element repeats: it is a JSON array.');
    if (value.length === 0) return issue('structure', path, 'An array in FHIR JSON is never empty.');
    return value.flatMap((each, index) => single(each, slot, `${path}[${index}]`));
  };

  const single = (value: unknown, slot: Slot, path: string): Findings => {
    if (value === null) return isPrimitive(slot.type) || slot.type === COMPANION ? NONE : misshapen('structure', path, 'null is no value of this element.');
    if (isPrimitive(slot.type)) return primitive(value, slot, path);
    if (slot.type === 'Resource') return resource(value, path);
    const schema = definitions.schema(slot.type);
    if (!isObject(value) || schema === undefined) return misshapen('structure', path, 'This element is a JSON object.');
    return [...object(value, schema, path), ...binding(value, slot, path)];
  };

  const primitive = (value: unknown, slot: Slot, path: string): Findings => {
    if (typeof value === 'object') return misshapen('structure', path, 'This element is a JSON string, number or boolean.');
    if (value === '') return issue('value', path, 'A string in FHIR JSON is never empty.');
    if (typeof value === 'string' && CONTROL.test(value)) return issue('value', path, 'A string holds no control characters but tab, line feed and carriage return.');
    return binding(value, slot, path);
  };

  const binding = (value: unknown, { type, element }: Slot, path: string): Findings => {
    if (element.binding?.strength !== 'required' || element.binding.valueSet === undefined) return NONE;
    const text = bindingIssue(value, type, definitions.codes(element.binding.valueSet));
    return text === undefined ? NONE : issue('code-invalid', path, text);
  };

  return resource;
};

/** `_status` beside `status`: id and extensions of a primitive (FHIR R4 §2.6.2.3 "JSON representation of primitive elements"). Null where a repetition has none. */
const COMPANION = 'Element';
const companion = (slot: Slot): Slot => {
  const { binding: _, ...element } = slot.element;
  return { name: slot.name, type: COMPANION, element };
};

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Primitive types have lower-case names; `http://hl7.org/fhirpath/System.String` is that of ids and extension URLs. */
const isPrimitive = (type: string): boolean => /^[a-z]/.test(type);

const cache = new WeakMap<InternalTypeSchema, ReadonlyMap<string, Slot>>();

/** The members a JSON object of this type may have. */
const slotsOf = (schema: InternalTypeSchema): ReadonlyMap<string, Slot> => {
  const known = cache.get(schema);
  if (known !== undefined) return known;
  const slots = new Map<string, Slot>();
  for (const [name, element] of Object.entries(schema.elements)) {
    for (const { code } of element.type) {
      if (name.endsWith('[x]')) slots.set(choiceName(name, code), { name: name.slice(0, -3), type: code, element });
      else slots.set(name, { name, type: code, element });
    }
  }
  cache.set(schema, slots);
  return slots;
};
