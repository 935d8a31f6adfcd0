/** Answers in SCIM's shape (RFC 7644 §3.4.2, §3.12). Diagnostics are fixed texts: nothing of the input is in them. */
import type { HttpReply } from '../../src/ports/bridge.ts';

export const SCIM_JSON = 'application/scim+json; charset=utf-8';
const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';
const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

export type ScimType = 'invalidFilter' | 'uniqueness' | 'mutability' | 'invalidSyntax' | 'invalidPath' | 'noTarget' | 'invalidValue' | 'tooMany';

/** An answer that isn't a success, with the code under which the host observes it. */
export type Refusal = { readonly status: number; readonly event: string; readonly detail: string; readonly scimType?: ScimType; readonly headers?: Readonly<Record<string, string>> };
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const refusal = (status: number, event: string, detail: string, more: Pick<Refusal, 'scimType' | 'headers'> = {}): Refusal => ({ status, event, detail, ...more });
export const refuse = (...args: Parameters<typeof refusal>): { readonly ok: false; readonly refusal: Refusal } => ({ ok: false, refusal: refusal(...args) });
export const done = <T>(value: T): Result<T> => ({ ok: true, value });

export const replyJson = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): HttpReply => ({ status, headers: { 'content-type': SCIM_JSON, 'cache-control': 'no-store', ...headers }, body: JSON.stringify(body) });
export const replyRefusal = ({ status, detail, scimType, headers }: Refusal): HttpReply => replyJson(status, { schemas: [ERROR], status: String(status), detail, ...(scimType === undefined ? {} : { scimType }) }, headers);
export const replyNothing = (): HttpReply => ({ status: 204, headers: { 'cache-control': 'no-store' } });

export const listOf = (resources: readonly object[], total: number, startIndex: number): object => ({ schemas: [LIST], totalResults: total, startIndex, itemsPerPage: resources.length, Resources: resources });
