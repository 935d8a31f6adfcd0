/** The laboratory's potassium, dated now: collected half an hour ago, reported this minute. */
import { potassiumReport, type PotassiumOptions } from '../support/fhir.ts';

export const PATIENT = { family: 'Quintana', mrn: '00481516' } as const;

/** The report as of `now`; the same `now` gives the same report. */
export function reportAt(now: number, options: PotassiumOptions = {}): Record<string, unknown> {
  const boston = (minutesAgo: number): string => `${new Date(now - (minutesAgo + 300) * 60_000).toISOString().slice(0, 19)}-05:00`;
  const dated = JSON.stringify(potassiumReport({ ...PATIENT, ...options })).replaceAll('2026-11-24T08:05:00-05:00', boston(30)).replaceAll('2026-11-24T08:14:00-05:00', boston(1));
  return JSON.parse(dated) as Record<string, unknown>;
}
