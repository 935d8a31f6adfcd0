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
export type Walk = {
  readonly issues: readonly ValidationIssue[];
  /** Whether each part has the JSON kind its type asks for, so that Medplum can be trusted to read it without throwing. */
  readonly sound: boolean;
};

export const walkResource = (resource: unknown, definitions: Definitions): Walk => {
  const walker = new Walker(definitions);
  walker.resource(resource, undefined);
  return { issues: walker.issues, sound: walker.sound };
};

// eslint-disable-next-line no-control-regex -- FHIR R4 §2.24.0.1 "string": no characters below U+0020 but tab, line feed, carriage return.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

class Walker {
  readonly issues: ValidationIssue[] = [];
  sound = true;
  readonly #definitions: Definitions;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  resource(value: unknown, path: string | undefined): void {
    if (!isObject(value)) return this.#unsound('structure', path ?? 'Resource', 'A resource is a JSON object.');
    const type = Object.hasOwn(value, 'resourceType') ? value['resourceType'] : undefined;
    if (type === undefined) return this.#unsound('required', path ?? 'Resource', 'resourceType is missing.');
    const schema = typeof type === 'string' && this.#definitions.isResource(type) ? this.#definitions.schema(type) : undefined;
    if (typeof type !== 'string' || schema === undefined) return this.#unsound('structure', path ?? 'Resource', 'resourceType is not the name of a FHIR R4 resource.');
    const here = path ?? type;
    const id = Object.hasOwn(value, 'id') ? value['id'] : undefined;
    if (typeof id === 'string' && !ID.test(id)) this.#report('value', `${here}.id`, 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".');
    this.#object(value, schema, here, true);
  }

  #object(value: Json, schema: InternalTypeSchema, path: string, isResource: boolean): void {
    const keys = Object.keys(value);
    if (keys.length === 0) return this.#report('structure', path, 'An object in FHIR JSON is never empty.');
    const slots = slotsOf(schema);
    const chosen = new Map<string, string>();
    for (const [index, key] of keys.entries()) {
      if (key === 'resourceType' && isResource) continue;
      const companion = key.startsWith('_');
      const name = companion ? key.slice(1) : key;
      const slot = slots.get(name);
      if (slot === undefined || (companion && !isPrimitive(slot.type))) {
        this.#unknown(name, index, path);
        continue;
      }
      const before = chosen.get(slot.name);
      if (before !== undefined && before !== name) this.#report('structure', `${path}.${slot.name}`, 'Only one type of this element may be given.');
      chosen.set(slot.name, name);
      this.#values(value[key], slot, `${path}.${slot.name}`, companion);
    }
  }

  #values(value: unknown, slot: Slot, path: string, companion: boolean): void {
    if (!Array.isArray(value)) {
      if (slot.element.isArray === true) return this.#unsound('structure', path, 'This element repeats: it is a JSON array.');
      return this.#value(value, slot, path, companion);
    }
    if (slot.element.isArray !== true) return this.#unsound('structure', path, 'This element does not repeat: it is no JSON array.');
    if (value.length === 0) return this.#report('structure', path, 'An array in FHIR JSON is never empty.');
    for (const [index, each] of value.entries()) this.#value(each, slot, `${path}[${index}]`, companion);
  }

  #value(value: unknown, slot: Slot, path: string, companion: boolean): void {
    if (value === null && isPrimitive(slot.type)) return;
    if (value === null) return this.#unsound('structure', path, 'null is no value of this element.');
    if (companion) return this.#complex(value, this.#definitions.schema('Element'), path);
    if (isPrimitive(slot.type)) return this.#primitive(value, slot, path);
    if (slot.type === 'Resource') return this.resource(value, path);
    this.#complex(value, this.#definitions.schema(slot.type), path);
    if (isObject(value)) this.#binding(value, slot, path);
  }

  #complex(value: unknown, schema: InternalTypeSchema | undefined, path: string): void {
    if (!isObject(value) || schema === undefined) return this.#unsound('structure', path, 'This element is a JSON object.');
    this.#object(value, schema, path, false);
  }

  #primitive(value: unknown, slot: Slot, path: string): void {
    if (typeof value === 'object') return this.#unsound('structure', path, 'This element is a JSON string, number or boolean.');
    if (value === '') return this.#report('value', path, 'A string in FHIR JSON is never empty.');
    if (typeof value === 'string' && CONTROL.test(value)) return this.#report('value', path, 'A string holds no control characters but tab, line feed and carriage return.');
    this.#binding(value, slot, path);
  }

  #binding(value: unknown, slot: Slot, path: string): void {
    const { binding } = slot.element;
    if (binding?.strength !== 'required' || binding.valueSet === undefined) return;
    const text = bindingIssue(value, slot.type, this.#definitions.codes(binding.valueSet));
    if (text !== undefined) this.#report('code-invalid', path, text);
  }

  #unknown(name: string, index: number, path: string): void {
    if (this.#definitions.isElementName(name)) return this.#report('structure', `${path}.${name}`, 'This type has no such element.');
    this.#report('structure', path, `Member ${index + 1} of this object is not an element of this type.`);
  }

  #unsound(code: ValidationIssue['code'], expression: string, diagnostics: string): void {
    this.sound = false;
    this.#report(code, expression, diagnostics);
  }

  #report(code: ValidationIssue['code'], expression: string, diagnostics: string): void {
    this.issues.push({ code, severity: 'error', expression, diagnostics });
  }
}

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
