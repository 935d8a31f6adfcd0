/** `POST /fhir` and `POST /fhir/Bundle`: transaction, batch, collection, and the bundle that answers them. */
import type { Entry } from './bundle.ts';
import { openBundle } from './bundle.ts';
import type { BundleKind, Opened } from './bundle.ts';
import type { SourceConfig } from './config.ts';
import { DEFAULT_MAX_ENTRIES } from './config.ts';
import type { Asked, Desk, Done } from './create.ts';
import type { Parsed } from './json.ts';
import { child, children, isNode, resourceType, text } from './node.ts';
import type { Node } from './node.ts';
import { FHIR_JSON, information, operationOutcome, problem, refuse } from './outcome.ts';
import type { Issue, Result } from './outcome.ts';
import { processEach, processWhole } from './process.ts';
import type { Fate } from './process.ts';
import { acceptedOutcome, etagOf, locationOf, represented, toJson } from './stored.ts';
import { containsTooMany, errorsOf, errorsOfBatch } from './validated.ts';

export const takeBundle = async (desk: Desk, asked: Asked, at: 'bundle' | 'collection', body: Parsed): Promise<Result<Done>> => {
  const bundle = readBundle(body, asked.source);
  if (!bundle.ok) return bundle;
  const kind = text(bundle.value, 'type');
  if (kind === 'message') return refuse(400, 'wrong-bundle', problem('not-supported', 'Post a message bundle to $process-message.', 'Bundle.type'));
  if (at === 'collection' && (kind === 'transaction' || kind === 'batch')) return refuse(400, 'wrong-bundle', problem('not-supported', 'Post a transaction or batch to the base of this endpoint, not to Bundle.', 'Bundle.type'));
  const isBatch = kind === 'batch';
  const errors = isBatch ? errorsOfBatch(desk.validator, body.plain) : { bundle: errorsOf(desk.validator, body.plain), entries: new Map<number, readonly Issue[]>() };
  if (errors.bundle.length > 0) return { ok: false, refusal: { status: 422, event: 'invalid-resource', issues: errors.bundle } };
  if (kind !== 'transaction' && !isBatch && kind !== 'collection') return refuse(422, 'wrong-bundle', problem('not-supported', 'Bundles of type transaction, batch, collection and message are supported.', 'Bundle.type'));
  const opened = openBundle(desk.config, asked.source, kind, bundle.value);
  const fates = await (isBatch ? processEach(desk, asked, opened, errors.entries) : processWhole(desk, asked, opened));
  return fates.ok ? { ok: true, value: answer(desk, asked, kind, opened, fates.value) } : fates;
};

/** Size and type, before anything is done with the entries. */
export const readBundle = ({ exact }: Parsed, source: SourceConfig): Result<Node> => {
  if (!isNode(exact)) return refuse(400, 'not-a-resource', problem('structure', 'The body is not a JSON object.'));
  if (resourceType(exact) !== 'Bundle') return refuse(400, 'wrong-type', problem('invalid', 'The resourceType is not Bundle, which this address is for.', 'Bundle'));
  const limit = source.maxEntries ?? DEFAULT_MAX_ENTRIES;
  const entries = children(exact, 'entry');
  if (entries.length > limit) return refuse(413, 'too-many-resources', problem('too-costly', `A bundle of this source has at most ${limit} entries.`, 'Bundle.entry'));
  const tooMany = containsTooMany(entries.map((entry) => child(entry, 'resource')), source, 'Bundle.entry');
  return tooMany === undefined ? { ok: true, value: exact } : { ok: false, refusal: tooMany };
};

const answer = ({ config }: Desk, { preference }: Asked, kind: BundleKind, { entries }: Opened, fates: readonly Fate[]): Done => {
  const entry = entries.map((each, index) => responseEntry(each, fates[index] ?? { kind: 'context' }));
  const stored = fates.filter((fate) => fate.kind === 'stored');
  const created = stored.some(({ receipt }) => receipt.created);
  const refused = fates.filter(({ kind: fate }) => fate === 'refused').length;
  const ids = stored.map(({ receipt }) => receipt.id);
  const body = toJson({ resourceType: 'Bundle', type: kind === 'batch' ? 'batch-response' : 'transaction-response', ...(entry.length === 0 ? {} : { entry }) });
  const isOfStaff = fates.some(({ kind: fate }) => fate === 'said');
  const event = refused > 0 ? 'batch-partly-refused' : isOfStaff ? 'staff-said' : created ? 'created' : 'known';
  return { event, ids, reply: { status: 200, headers: { 'content-type': FHIR_JSON, 'cache-control': 'no-store' }, body } };

  function responseEntry({ type, member }: Entry, fate: Fate): object {
    switch (fate.kind) {
      case 'stored': {
        const { receipt } = fate;
        const response = { status: fate.status === 201 ? '201 Created' : '200 OK', location: locationOf(config, type, receipt), etag: etagOf(receipt) };
        if (preference === 'representation') return { resource: represented(member.node, receipt), response };
        return { response: preference === 'minimal' ? response : { ...response, outcome: acceptedOutcome(receipt.created) } };
      }
      case 'part':
        return { response: { status: '200 OK', outcome: operationOutcome([information('Stored as part of the resource that names it.', `Bundle.entry[${fate.owner}].resource`)]) } };
      case 'said':
        return { response: { status: '200 OK', outcome: operationOutcome([information('Stored. The directory follows within seconds.')]) } };
      case 'context':
        return { response: { status: '200 OK', outcome: operationOutcome([information('Taken in as context of the resources that refer to it; not stored by itself.')]) } };
      case 'refused':
        return { response: { status: `${fate.status} ${REASONS[fate.status] ?? 'Refused'}`, outcome: operationOutcome(fate.issues) } };
    }
  }
};

const REASONS: Readonly<Record<number, string>> = { 400: 'Bad Request', 403: 'Forbidden', 405: 'Method Not Allowed', 412: 'Precondition Failed', 422: 'Unprocessable Entity', 424: 'Failed Dependency' };
