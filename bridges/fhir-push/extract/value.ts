/** `Observation.value[x]`, `component.value[x]`, and why there is none. */
import type { ObservationLine } from '../../../src/domain/clinical/report.ts';
import { child, children, text } from '../node.ts';
import type { Node } from '../node.ts';
import { conceptText, periodText, rangeText, ratioText, unitOf } from './words.ts';

type Value = NonNullable<ObservationLine['value']>;

/** Each of R4's eleven types; what can't be put in a line is described, never left out. */
export const valueOf = (node: Node): Value | undefined => {
  const quantity = child(node, 'valueQuantity');
  if (quantity !== undefined) return quantityValue(quantity);
  const words = conceptText(child(node, 'valueCodeableConcept')) ?? text(node, 'valueString') ?? text(node, 'valueBoolean') ?? text(node, 'valueInteger')
    ?? rangeText(child(node, 'valueRange')) ?? ratioText(child(node, 'valueRatio')) ?? sampledText(child(node, 'valueSampledData'))
    ?? text(node, 'valueTime') ?? text(node, 'valueDateTime') ?? periodText(child(node, 'valuePeriod'));
  return words === undefined ? undefined : { text: words };
};

const quantityValue = (quantity: Node): Value | undefined => {
  const number = text(quantity, 'value');
  const comparator = text(quantity, 'comparator');
  const unit = unitOf(quantity);
  if (number === undefined) return unit === undefined ? undefined : { text: '(no number)', unit };
  return { text: number, ...(comparator === undefined ? {} : { comparator }), ...(unit === undefined ? {} : { unit }) };
};

const sampledText = (data: Node | undefined): string | undefined => {
  if (data === undefined) return undefined;
  const points = (text(data, 'data') ?? '').split(' ').filter((each) => each !== '').length;
  return `sampled data, ${points} points, not shown here`;
};

/** `dataAbsentReason` in words. */
export const absentReason = (node: Node): string | undefined => conceptText(child(node, 'dataAbsentReason'));

/** Reference ranges as the laboratory words them, else low and high; several with what each applies to. */
export const referenceRangeOf = (node: Node): string | undefined => {
  const ranges = children(node, 'referenceRange').flatMap((range) => {
    const words = text(range, 'text') ?? rangeText(range);
    const kind = conceptText(child(range, 'type'));
    const applies = [...(kind === undefined || /^normal/i.test(kind) ? [] : [kind]), ...children(range, 'appliesTo').flatMap((each) => conceptText(each) ?? []), ...ageOf(range)];
    return words === undefined ? [] : [applies.length === 0 ? words : `${words} (${applies.join(', ')})`];
  });
  return ranges.length === 0 ? undefined : ranges.join('; ');
};

const ageOf = (range: Node): readonly string[] => {
  const age = rangeText(child(range, 'age'));
  return age === undefined ? [] : [`age ${age}`];
};
