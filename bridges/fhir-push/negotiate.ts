/** Formats and wishes of a request: JSON in UTF-8 only, R4 only (FHIR R4 §3.1.0.1.8 "Content Types", §3.1.0.1.10 "FHIR version parameter"). */
import type { HttpHead } from '../../src/ports/bridge.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';

/** `Prefer: return=…` (FHIR R4 §3.1.0.1.5 "Support for return preferences"). */
export type Preference = 'minimal' | 'representation' | 'OperationOutcome';

const JSON_TYPES = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json', 'json']);
const FINE: Result<undefined> = { ok: true, value: undefined };

/** 406 when the client takes no JSON. `_format` goes before `Accept`. */
export const acceptsJson = ({ headers, query }: HttpHead): Result<undefined> => {
  const format = query.get('_format');
  const wanted = format === null ? splitList(headers['accept'] ?? '*/*') : [format];
  const good = wanted.some((each) => {
    const { type, parameters } = mediaType(each);
    return parameters.get('q') !== '0' && isR4(parameters) && (JSON_TYPES.has(type) || ['*/*', 'application/*'].includes(type));
  });
  return good ? FINE : refuse(406, 'not-acceptable', problem('not-supported', `Answers are application/fhir+json, FHIR 4.0. ${format === null ? 'Accept' : '_format'} asks for something else.`));
};

/** 415 for anything but JSON in UTF-8, as it is. */
export const sendsJson = ({ headers }: HttpHead): Result<undefined> => {
  const unsupported = (diagnostics: string): Result<undefined> => refuse(415, 'unsupported-media-type', problem('not-supported', diagnostics), { 'accept-post': 'application/fhir+json' });
  const { type, parameters } = mediaType(headers['content-type'] ?? '');
  if (type === '') return unsupported('Content-Type is missing. Send application/fhir+json.');
  if (/xml/.test(type)) return unsupported('FHIR in XML is not supported. Send application/fhir+json.');
  if (!JSON_TYPES.has(type)) return unsupported('This Content-Type is not supported. Send application/fhir+json.');
  if (!['utf-8', 'utf8'].includes((parameters.get('charset') ?? 'utf-8').toLowerCase())) return unsupported('FHIR JSON is always UTF-8.');
  if (!isR4(parameters)) return unsupported('Only FHIR 4.0 (R4) is supported.');
  return (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity' ? FINE : unsupported('Content-Encoding is not supported. Send the body as it is.');
};

export const preferenceOf = ({ headers }: HttpHead): Preference => {
  const asked = /(?:^|[,;\s])return="?(minimal|representation|OperationOutcome)"?(?:$|[,;\s])/i.exec(headers['prefer'] ?? '')?.[1]?.toLowerCase();
  return asked === 'representation' ? 'representation' : asked === 'operationoutcome' ? 'OperationOutcome' : 'minimal';
};

const isR4 = (parameters: ReadonlyMap<string, string>): boolean => /^4\.0(?:\.\d)?$/.test(parameters.get('fhirversion') ?? '4.0');

const splitList = (header: string): readonly string[] => header.split(',').map((each) => each.trim()).filter((each) => each !== '');

const mediaType = (value: string): { readonly type: string; readonly parameters: ReadonlyMap<string, string> } => {
  const [type = '', ...rest] = value.split(';').map((each) => each.trim());
  const parameters = rest.map((each) => each.split('=', 2)).map(([name = '', content = '']) => [name.trim().toLowerCase(), content.trim().replaceAll('"', '')] as const);
  return { type: type.toLowerCase().replace(' ', '+'), parameters: new Map(parameters) };
};
