/** What an operation gave. An expected failure is a value with a code; a bug throws. */
export type Outcome<T, Code extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Failure<Code> };

export type Failure<Code extends string = string> = {
  readonly code: Code;
  /** What to do next, for a person. Never holds PHI. */
  readonly message: string;
  /** Whether the same thing may work later without anybody doing anything. */
  readonly retry: boolean;
  /** Not before this many milliseconds, when the other side said so (`Retry-After`, `retry_after_ms`). */
  readonly retryAfterMs?: number;
};

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const fail = <Code extends string>(code: Code, message: string, options: { readonly retry?: boolean; readonly retryAfterMs?: number } = {}): { readonly ok: false; readonly error: Failure<Code> } => ({
  ok: false,
  error: { code, message, retry: options.retry ?? false, ...(options.retryAfterMs === undefined ? {} : { retryAfterMs: options.retryAfterMs }) },
});
