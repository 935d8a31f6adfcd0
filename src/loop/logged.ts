import type { AuditEntry } from '../domain/decision.ts';

const OF_RESULTS: ReadonlySet<unknown> = new Set(['read-result', 'accept-result']);

/**
 * What a log line has of an entry of the audit. By which rules, warnings and consent a result was let pass or held tells what kind of record it is (42 CFR 2.13(a)), even of a pseudonym: the
 * audit keeps that, for whoever must prove it; logs go further, and have the revision and the delivery, by which it is found there. Left out of every result alike: else its absence would tell.
 */
export function logged(detail: AuditEntry['detail']): AuditEntry['detail'] {
  if (detail === undefined || !OF_RESULTS.has(detail['asked'])) return detail;
  const { rules: _rules, warnings: _warnings, consent: _consent, ...rest } = detail;
  return rest;
}
