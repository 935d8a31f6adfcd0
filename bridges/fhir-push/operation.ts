/** What a request asks for, from its method and path alone (FHIR R4 §3.1.0 "RESTful API"). */
import { CONSENT_TYPES, STAFF_TYPES, TAKEN_TYPES, isStaffType, isTakenType } from './config.ts';
import type { StaffType, TakenType } from './config.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';

export type Operation =
  | { readonly kind: 'metadata' }
  | { readonly kind: 'create'; readonly type: TakenType }
  /** `POST Practitioner`, or `PUT Practitioner/<id>`. */
  | { readonly kind: 'staff'; readonly type: StaffType; readonly id?: string }
  /** Transaction, batch or collection at the base. */
  | { readonly kind: 'bundle' }
  /** `POST Bundle`: a collection, which is taken apart. */
  | { readonly kind: 'collection' }
  | { readonly kind: 'message' };

export const operationOf = (method: string, path: string): Result<Operation> => {
  const name = path.replace(/^\//, '').replace(/\/$/, '');
  const operation = at(name);
  if (operation === undefined) {
    const known = [...TAKEN_TYPES, ...STAFF_TYPES, ...CONSENT_TYPES, 'Bundle', 'metadata', '$process-message'].join(', ');
    return refuse(404, 'not-found', problem('not-found', `There is nothing here. This endpoint has: ${known}; and transactions, batches and collections at its base.`));
  }
  const allow = operation.kind === 'metadata' ? 'GET' : operation.kind === 'staff' && operation.id !== undefined ? 'PUT' : 'POST';
  if (method === allow) return { ok: true, value: operation };
  return refuse(405, 'method-not-allowed', problem('not-supported', `Only ${allow} is allowed here.`), { allow });
};

const at = (name: string): Operation | undefined => {
  if (isTakenType(name)) return { kind: 'create', type: name };
  const [, type = '', id] = /^([A-Za-z]+)(?:\/([A-Za-z0-9\-.]{1,64}))?$/.exec(name) ?? [];
  if (isStaffType(type)) return { kind: 'staff', type, ...(id === undefined ? {} : { id }) };
  switch (name) {
    case '': return { kind: 'bundle' };
    case 'Bundle': return { kind: 'collection' };
    case 'metadata': return { kind: 'metadata' };
    case '$process-message': return { kind: 'message' };
    default: return undefined;
  }
};
