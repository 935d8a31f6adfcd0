/** `POST /fhir/<type>`: one resource with what it contains. */
import type { BridgeHost, FhirValidator, HttpReply, Receipt } from '../../src/ports/bridge.ts';
import { arrivalOf } from './arrival.ts';
import type { FhirPushConfig, SourceConfig, TakenType } from './config.ts';
import { conditionName, verdictOn } from './ifNoneExist.ts';
import type { Parsed } from './json.ts';
import type { Preference } from './negotiate.ts';
import { isNode, resourceType } from './node.ts';
import type { Node } from './node.ts';
import { FHIR_JSON, problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';
import { receiveAll } from './receive.ts';
import { createScope } from './reference.ts';
import { bodyFor, etagOf, locationOf } from './stored.ts';
import { containsTooMany, validated } from './validated.ts';

export type Desk = { readonly config: FhirPushConfig; readonly host: BridgeHost; readonly validator: FhirValidator };
/** One request: who sends it and how it wants to be answered. */
export type Asked = { readonly source: SourceConfig; readonly preference: Preference; readonly ifNoneExist?: string };
/** What came of it: the answer, the code and the ids it is observed with. */
export type Done = { readonly reply: HttpReply; readonly event: string; readonly ids?: readonly string[] };

export const create = async (desk: Desk, asked: Asked, type: TakenType, body: Parsed): Promise<Result<Done>> => {
  const { exact: node, plain } = body;
  if (!isNode(node)) return refuse(400, 'not-a-resource', problem('structure', 'The body is not a JSON object.'));
  if (resourceType(node) !== type) return refuse(400, 'wrong-type', problem('invalid', `The resourceType is not ${type}, which this address is for.`, type));
  const tooMany = containsTooMany([node], asked.source, `${type}.contained`);
  if (tooMany !== undefined) return { ok: false, refusal: tooMany };
  const valid = validated(desk.validator, plain);
  if (!valid.ok) return valid;
  const condition = asked.ifNoneExist === undefined ? undefined : conditionName(type, asked.ifNoneExist);
  if (condition?.ok === false) return condition;
  const prepared = await arrivalOf({ node, path: type, root: node, rootPath: type }, createScope(desk.config, asked.source, []), condition?.value);
  if ('issues' in prepared) return { ok: false, refusal: { status: 422, event: 'unprocessable', issues: prepared.issues } };
  const verdict = await verdictOn(desk.host, asked.source, condition?.value, prepared.contentName);
  if (!verdict.ok) return verdict;
  if (verdict.value.kind === 'known') return { ok: true, value: answer(desk, asked, type, { receipt: verdict.value.receipt, status: 200 }, node) };
  const received = await receiveAll(desk.host, [prepared.arrival]);
  if (!received.ok) return received;
  const [receipt] = received.value;
  if (receipt === undefined) throw new Error('no receipt');
  return { ok: true, value: answer(desk, asked, type, { receipt, status: receipt.created && verdict.value.kind === 'new' ? 201 : 200 }, node) };
};

const answer = ({ config }: Desk, { preference }: Asked, type: TakenType, { receipt, status }: { readonly receipt: Receipt; readonly status: 200 | 201 }, node: Node): Done => {
  const body = bodyFor(preference, receipt, node);
  const headers = { 'location': locationOf(config, type, receipt), 'etag': etagOf(receipt), 'cache-control': 'no-store', ...(body === undefined ? {} : { 'content-type': FHIR_JSON }) };
  return { event: eventOf(receipt.created, status), ids: [receipt.id], reply: { status, headers, ...(body === undefined ? {} : { body }) } };
};

const eventOf = (created: boolean, status: 200 | 201): string => (status === 201 ? 'created' : created ? 'new-version' : 'known');
