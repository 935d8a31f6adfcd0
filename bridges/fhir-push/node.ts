/** Reading an object of FHIR JSON whose shape the validator has checked: what is absent is `undefined` or an empty list. */
import { isLosslessNumber } from 'lossless-json';

export type Node = { readonly [name: string]: unknown };

export const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value);

const own = (node: Node | undefined, name: string): unknown => (node !== undefined && Object.hasOwn(node, name) ? node[name] : undefined);

export const child = (node: Node | undefined, name: string): Node | undefined => {
  const value = own(node, name);
  return isNode(value) ? value : undefined;
};

export const children = (node: Node | undefined, name: string): readonly Node[] => {
  const value = own(node, name);
  return Array.isArray(value) ? value.filter(isNode) : [];
};

/** A primitive as text, numbers with the digits they came with. */
export const text = (node: Node | undefined, name: string): string | undefined => asText(own(node, name));

export const texts = (node: Node | undefined, name: string): readonly string[] => {
  const value = own(node, name);
  return Array.isArray(value) ? value.map(asText).filter((each) => each !== undefined) : [];
};

export const resourceType = (node: Node | undefined): string => text(node, 'resourceType') ?? '';

const asText = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return isLosslessNumber(value) ? value.value : undefined;
};
