import type { ReportStatus } from './report.ts';

/** What was under it does not hold, and nothing takes its place. */
export const isWithdrawn = (status: ReportStatus): status is 'cancelled' | 'entered-in-error' => status === 'cancelled' || status === 'entered-in-error';

/** Nothing final was said under it. `unknown` isn't among them: who doesn't know treats what was told as relied upon. */
export const isUnfinished = (status: ReportStatus): status is 'registered' | 'partial' | 'preliminary' => status === 'registered' || status === 'partial' || status === 'preliminary';
