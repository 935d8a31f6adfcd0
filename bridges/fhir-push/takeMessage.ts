/** `POST /fhir/$process-message` (FHIR R4 §2.4.5): a message bundle in, a message bundle that answers it out. Synchronous only. */
import { randomUUID } from 'node:crypto';
import { openBundle } from './bundle.ts';
import type { Asked, Desk, Done } from './create.ts';
import type { Parsed } from './json.ts';
import { child, children, isNode, resourceType, text } from './node.ts';
import type { Node } from './node.ts';
import { FHIR_JSON, information, operationOutcome, problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';
import { processWhole } from './process.ts';
import { DEFAULT_BASE_URL, locationOf, toJson } from './stored.ts';
import { readBundle } from './takeBundle.ts';
import { validated } from './validated.ts';

export const takeMessage = async (desk: Desk, asked: Asked, query: URLSearchParams, body: Parsed): Promise<Result<Done>> => {
  if (query.get('async') === 'true' || query.has('response-url')) return refuse(400, 'not-synchronous', problem('not-supported', '$process-message answers at once: async and response-url are not supported.'));
  if (isNode(body.exact) && resourceType(body.exact) === 'Parameters') return refuse(400, 'wrong-type', problem('not-supported', 'Send the message bundle itself as the body, not Parameters.', 'Parameters'));
  const bundle = readBundle(body, asked.source);
  if (!bundle.ok) return bundle;
  if (text(bundle.value, 'type') !== 'message') return refuse(422, 'wrong-bundle', problem('value', 'The type of the bundle is not "message".', 'Bundle.type'));
  const valid = validated(desk.validator, body.plain);
  if (!valid.ok) return valid;
  const header = child(children(bundle.value, 'entry')[0], 'resource');
  if (resourceType(header) === 'MessageHeader' && text(header, 'id') === undefined) {
    return refuse(422, 'invalid-resource', problem('required', 'The id of the MessageHeader is required: the response names it.', 'Bundle.entry[0].resource.id'));
  }
  const opened = openBundle(desk.config, asked.source, 'message', bundle.value);
  const fates = await processWhole(desk, asked, opened);
  if (!fates.ok) return fates;
  const stored = fates.value.flatMap((fate, index) => (fate.kind === 'stored' ? [{ ...fate.receipt, location: locationOf(desk.config, opened.entries[index]?.type ?? '', fate.receipt), index }] : []));
  const outcome = operationOutcome(stored.map(({ created, location, index }) => information(`${created ? 'Stored' : 'Stored before'} as ${location}.`, `Bundle.entry[${index}].resource`)));
  const reply = { status: 200, headers: { 'content-type': FHIR_JSON, 'cache-control': 'no-store' }, body: toJson(responseTo(header, outcome, desk.config.baseUrl)) };
  return { ok: true, value: { event: stored.some(({ created }) => created) ? 'created' : 'known', ids: stored.map(({ id }) => id), reply } };
};

const responseTo = (header: Node | undefined, outcome: object, baseUrl: string | undefined): object => {
  const [headerId, outcomeId] = [randomUUID(), randomUUID()];
  const coding = child(header, 'eventCoding');
  const from = text(child(header, 'source'), 'endpoint');
  return {
    resourceType: 'Bundle', id: randomUUID(), type: 'message', timestamp: new Date().toISOString(),
    entry: [
      {
        fullUrl: `urn:uuid:${headerId}`,
        resource: {
          resourceType: 'MessageHeader', id: headerId,
          ...(coding === undefined ? { eventUri: text(header, 'eventUri') } : { eventCoding: coding }),
          ...(from === undefined ? {} : { destination: [{ endpoint: from }] }),
          source: { name: 'Aceso', endpoint: baseUrl ?? `urn:aceso${DEFAULT_BASE_URL.replaceAll('/', ':')}` },
          response: { identifier: text(header, 'id'), code: 'ok', details: { reference: `urn:uuid:${outcomeId}` } },
        },
      },
      { fullUrl: `urn:uuid:${outcomeId}`, resource: { ...outcome, id: outcomeId } },
    ],
  };
};
