/** FHIR's data types as words for a person. Nothing is rounded, converted or translated. */
import { child, children, text, texts } from '../node.ts';
import type { Node } from '../node.ts';

/** CodeableConcept: what the sender calls it, else the display of a coding, else its code. */
export const conceptText = (concept: Node | undefined): string | undefined => {
  const codings = children(concept, 'coding');
  const displays = codings.map((coding) => text(coding, 'display'));
  return text(concept, 'text') ?? displays.find((each) => each !== undefined) ?? codings.map((coding) => text(coding, 'code')).find((each) => each !== undefined);
};

/** HumanName: the official one, else the usual, else the first that isn't old. */
export const nameText = (names: readonly Node[]): string | undefined => {
  const current = names.filter((name) => text(name, 'use') !== 'old');
  const name = current.find((each) => text(each, 'use') === 'official') ?? current.find((each) => text(each, 'use') === 'usual') ?? current[0] ?? names[0];
  const parts = [...texts(name, 'prefix'), ...texts(name, 'given'), text(name, 'family') ?? '', ...texts(name, 'suffix')].filter((part) => part !== '');
  return text(name, 'text') ?? (parts.length === 0 ? undefined : parts.join(' '));
};

export const addressText = (address: Node | undefined): string | undefined => {
  const town = [text(address, 'city'), text(address, 'state'), text(address, 'postalCode')].filter((part) => part !== undefined).join(' ');
  const parts = [...texts(address, 'line'), town, text(address, 'country') ?? ''].filter((part) => part !== '');
  return text(address, 'text') ?? (parts.length === 0 ? undefined : parts.join(', '));
};

/** Annotation with its author and time. */
export const annotationText = (annotation: Node): string | undefined => {
  const note = text(annotation, 'text');
  const author = text(annotation, 'authorString') ?? text(child(annotation, 'authorReference'), 'display');
  const from = [author, text(annotation, 'time')].filter((part) => part !== undefined).join(', ');
  return note === undefined || from === '' ? note : `${note} (${from})`;
};

export const annotations = (node: Node): readonly string[] => children(node, 'note').map(annotationText).filter((each) => each !== undefined);

/** Quantity as `<0.010 ng/mL`. */
export const quantityText = (quantity: Node | undefined): string | undefined => {
  const number = text(quantity, 'value');
  const unit = unitOf(quantity);
  return number === undefined ? unit : `${text(quantity, 'comparator') ?? ''}${number}${unit === undefined ? '' : ` ${unit}`}`;
};

export const unitOf = (quantity: Node | undefined): string | undefined => text(quantity, 'unit') ?? text(quantity, 'code');

/** Range as `3.5 – 5.1 mmol/L`, with one unit when both ends have the same; open ends as `≥ 3.5` and `≤ 5.1`. */
export const rangeText = (range: Node | undefined): string | undefined => {
  const low = child(range, 'low');
  const high = child(range, 'high');
  const [from, to] = [quantityText(low), quantityText(high)];
  if (from === undefined || to === undefined) return from === undefined ? to && `≤ ${to}` : `≥ ${from}`;
  const lone = text(low, 'value');
  return unitOf(low) === unitOf(high) && lone !== undefined ? `${text(low, 'comparator') ?? ''}${lone} – ${to}` : `${from} – ${to}`;
};

/** Ratio as `1:128`, or `5 mg / 2 mL` where it has units. */
export const ratioText = (ratio: Node | undefined): string | undefined => {
  const [over, under] = [child(ratio, 'numerator'), child(ratio, 'denominator')];
  const [numerator, denominator] = [quantityText(over), quantityText(under)];
  if (numerator === undefined || denominator === undefined) return numerator;
  return unitOf(over) === undefined && unitOf(under) === undefined ? `${numerator}:${denominator}` : `${numerator} / ${denominator}`;
};

export const periodText = (period: Node | undefined): string | undefined => {
  const [start, end] = [text(period, 'start'), text(period, 'end')];
  return start === undefined || end === undefined ? (start ?? end) : `${start} – ${end}`;
};
