/** Medplum's findings in our words. Its texts repeat names and parts of the input; only what its own definitions say is let through. */
import type { ValidationIssue } from '../../ports/bridge.ts';

type Found = { readonly severity?: string; readonly details?: { readonly text?: string }; readonly expression?: readonly string[] };

/** Undefined for warnings and for what elements.ts reports more exactly. */
export const fromMedplum = (found: Found, isElementName: (name: string) => boolean): ValidationIssue | undefined => {
  if (found.severity !== 'error' && found.severity !== 'fatal') return undefined;
  const text = found.details?.text ?? '';
  if (ELSEWHERE.some((start) => text.startsWith(start))) return undefined;
  const expression = knownPart(found.expression?.[0] ?? 'Resource', isElementName);
  const said = WORDS.map(([pattern, code, words]) => ({ match: pattern.exec(text), code, words })).find(({ match }) => match !== null);
  const diagnostics = said?.match === undefined || said.match === null ? 'This is not as FHIR R4 defines it.' : said.words.replaceAll(/\$(\d)/g, (_, group: string) => said.match?.[Number(group)] ?? '');
  return { severity: 'error', code: said?.code ?? 'structure', expression, diagnostics };
};

/** Medplum puts names of the input into its paths: the path ends before the first that R4 doesn't have. */
const knownPart = (expression: string, isElementName: (name: string) => boolean): string => {
  const [type = 'Resource', ...steps] = expression.replaceAll('[x]', '').split('.');
  const unknown = steps.findIndex((step) => !isElementName(step.replace(/\[\d+\]$/, '').replace(/^_/, '')));
  return [type, ...(unknown === -1 ? steps : steps.slice(0, unknown))].join('.');
};

const ELSEWHERE = ['Invalid additional property', 'Conflicting choice', 'Type of primitive extension'];

const TYPES = 'base64Binary|boolean|canonical|code|date|dateTime|decimal|id|instant|integer|markdown|oid|positiveInt|string|time|unsignedInt|uri|url|uuid|xhtml';

const WORDS: readonly (readonly [RegExp, ValidationIssue['code'], string])[] = [
  [/^Missing required property$/, 'required', 'This element is required.'],
  [/^Invalid null value$/, 'structure', 'null is allowed only in an array of primitives, beside an extension.'],
  [/^Invalid (?:empty|undefined)/, 'structure', 'This element is empty.'],
  [/^Expected array of values for property$/, 'structure', 'This element repeats: it is a JSON array.'],
  [/^Expected single value for property$/, 'structure', 'This element does not repeat: it is no JSON array.'],
  [/^Invalid number of values: expected ([\d.*]+)/, 'structure', 'This element takes $1 values.'],
  [/^Invalid JSON type: expected (string|number|boolean)/, 'structure', 'This element is a JSON $1.'],
  [new RegExp(`^Invalid (${TYPES}) (?:format|value)$`), 'value', 'This is not a FHIR $1.'],
  [/^String must contain non-whitespace content$/, 'value', 'A string is never blank.'],
  [/^String cannot be larger than 1 MB$/, 'value', 'A string has at most 1,048,576 characters.'],
  [/^Invalid numeric value$/, 'value', 'This number is too large.'],
  [/^Expected number to be an integer$/, 'value', 'This is not an integer.'],
  [/^Expected number to be in the range ([-\d.]+)$/, 'value', 'This number is outside $1.'],
  [/^base64Binary exceeds (\d+) bytes$/, 'value', 'base64 data has at most $1 bytes.'],
  [/^Constraint ([\w-]+) not met: (.*)$/s, 'invariant', '$1: $2'],
  [/^Error evaluating invariant expression$/, 'invariant', 'An invariant of this type could not be evaluated.'],
];
