/** What Aceso says about its own work: codes, ids and numbers. Sentences and clinical data have no way in. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export type Log = {
  /** `code` is `area.event`, e.g. `effect.failed`. */
  info(code: string, fields?: LogFields): void;
  warn(code: string, fields?: LogFields): void;
  error(code: string, fields?: LogFields): void;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A log whose level can be set while it is in use. */
export type LeveledLog = Log & { setLevel(level: LogLevel): void };

export type Metrics = {
  count(name: MetricName, labels?: Readonly<Record<string, string>>): void;
  observe(name: MetricName, seconds: number, labels?: Readonly<Record<string, string>>): void;
};

export type MetricName =
  | 'facts_received' | 'facts_decided' | 'facts_deferred' | 'effects_settled' | 'effect_seconds' | 'decision_seconds' | 'delivery_seconds'
  | 'http_requests' | 'http_seconds' | 'http_refusals' | 'matrix_events' | 'courier_restarts' | 'courier_seats_taken' | 'attachments' | 'config_reloads' | 'policy_verdicts' | 'policy_signs' | 'policy_seconds' | 'policy_edges' | 'policy_left_over' | 'module_answers' | 'module_seconds' | 'room_findings' | 'events_not_shown' | 'notices';

/** A class and code of an unexpected error, without its message: a message may quote what it choked on. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? `:${error.code}` : '';
  return `${error.name}${code}`;
}
