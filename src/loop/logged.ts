import type { AuditEntry } from '../domain/decision.ts';
import { POLICY } from '../domain/delivery/delivery.ts';
import { holdCodeOf } from '../domain/delivery/files.ts';

const OF_RESULTS: ReadonlySet<unknown> = new Set(['read-result', 'accept-result']);

/** Only what a consent let pass is stopped so: a line of it would say what kind of record it is. The audit has it. */
export const isLogged = ({ code }: { readonly code: string }): boolean => code !== POLICY;

/**
 * What a log line has of an entry of the audit. By which rules, warnings and consent a result was let pass or held tells what kind of record it is (42 CFR 2.13(a)), even of a pseudonym: the
 * audit keeps that, for whoever must prove it; logs go further, and have the revision and the delivery, by which it is found there. Left out of every result alike: else its absence would tell.
 */
export function logged(detail: AuditEntry['detail']): AuditEntry['detail'] {
  if (detail?.['proof'] === holdCodeOf(POLICY)) {
    const { proof: _proof, ...rest } = detail;
    return rest;
  }
  if (detail === undefined || !OF_RESULTS.has(detail['asked'])) return detail;
  const { rules: _rules, warnings: _warnings, consent: _consent, ...rest } = detail;
  return rest;
}
