/** `PUT /fhir/Practitioner/<id>` and the like: what a source that may says of its staff (docs/directory.md). */
import { newsOf } from './extract/news.ts';
import type { StaffType } from './config.ts';
import type { Asked, Desk, Done } from './create.ts';
import type { Parsed } from './json.ts';
import { isNode, resourceType, text } from './node.ts';
import { FHIR_JSON, information, operationOutcome, problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';
import { staffTaken } from './receive.ts';
import { createScope } from './reference.ts';
import { containsTooMany, validated } from './validated.ts';

/** `id`: of an update, the one in its address. */
export const takeStaff = async (desk: Desk, { source }: Asked, { type, id }: { readonly type: StaffType; readonly id?: string }, { exact: node, plain }: Parsed): Promise<Result<Done>> => {
  if (!isNode(node)) return refuse(400, 'not-a-resource', problem('structure', 'The body is not a JSON object.'));
  if (resourceType(node) !== type) return refuse(400, 'wrong-type', problem('invalid', `The resourceType is not ${type}, which this address is for.`, type));
  if (id !== undefined && text(node, 'id') !== id) return refuse(400, 'wrong-id', problem('invalid', 'The id of the resource is not the one in the address.', `${type}.id`));
  const tooMany = containsTooMany([node], source, `${type}.contained`);
  if (tooMany !== undefined) return { ok: false, refusal: tooMany };
  const valid = validated(desk.validator, plain);
  if (!valid.ok) return valid;
  const own = text(node, 'id');
  const found = newsOf({ node, path: type, root: node, rootPath: type, ...(own === undefined ? {} : { local: `${type}/${own}` }) }, createScope(desk.config, source, []));
  if ('issues' in found) return { ok: false, refusal: { status: 422, event: 'unprocessable', issues: found.issues } };
  const taken = await staffTaken(desk.host, [found.news]);
  if (!taken.ok) return taken;
  const created = taken.value.some((each) => each.created);
  const body = JSON.stringify(operationOutcome([information(created ? 'Stored. The directory follows within seconds.' : 'Stored before: nothing was added.')]));
  return { ok: true, value: { event: created ? 'staff-said' : 'known', ids: taken.value.map((each) => each.id), reply: { status: created && id === undefined ? 201 : 200, headers: { 'content-type': FHIR_JSON, 'cache-control': 'no-store' }, body } } };
};
