/** OperationOutcome (FHIR R4 §2.12): how every refusal is told. Diagnostics are fixed texts; nothing of the input is in them. */
import type { HttpReply } from '../../src/ports/bridge.ts';

/** Those of http://hl7.org/fhir/issue-type that are used here. */
export type IssueType =
  | 'invalid' | 'structure' | 'required' | 'value' | 'invariant' | 'code-invalid' | 'not-supported' | 'not-found' | 'multiple-matches' | 'business-rule'
  | 'login' | 'forbidden' | 'too-long' | 'too-costly' | 'throttled' | 'transient' | 'exception' | 'informational';

export type Issue = { readonly severity: 'fatal' | 'error' | 'warning' | 'information'; readonly code: IssueType; readonly diagnostics: string; readonly expression?: string };

/** An answer that isn't a success, with the code under which the host observes it. */
export type Refusal = { readonly status: number; readonly event: string; readonly issues: readonly Issue[]; readonly headers?: Readonly<Record<string, string>> };

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

export const problem = (code: IssueType, diagnostics: string, expression?: string): Issue => ({ severity: 'error', code, diagnostics, ...(expression === undefined ? {} : { expression }) });

export const information = (diagnostics: string, expression?: string): Issue => ({ severity: 'information', code: 'informational', diagnostics, ...(expression === undefined ? {} : { expression }) });

export const refusal = (status: number, event: string, issue: Issue, headers: Readonly<Record<string, string>> = {}): Refusal => ({ status, event, issues: [issue], headers });

export const refuse = (status: number, event: string, issue: Issue, headers: Readonly<Record<string, string>> = {}): { readonly ok: false; readonly refusal: Refusal } => ({ ok: false, refusal: refusal(status, event, issue, headers) });

const MOST = 50;
const shown = (issues: readonly Issue[]): readonly Issue[] =>
  issues.length <= MOST ? issues : [...issues.slice(0, MOST), { severity: 'information', code: 'informational', diagnostics: `There are ${issues.length - MOST} more issues.` }];

export const operationOutcome = (issues: readonly Issue[]): object => ({
  resourceType: 'OperationOutcome',
  issue: shown(issues).map(({ severity, code, diagnostics, expression }) => ({ severity, code, diagnostics, ...(expression === undefined ? {} : { expression: [expression] }) })),
});

export const replyJson = (status: number, resource: object, headers: Readonly<Record<string, string>> = {}): HttpReply => ({
  status,
  headers: { 'content-type': FHIR_JSON, 'cache-control': 'no-store', ...headers },
  body: JSON.stringify(resource),
});

export const replyRefusal = ({ status, issues, headers }: Refusal): HttpReply => replyJson(status, operationOutcome(issues), headers);
