/** The client-server API as tests use it: one call, JSON in, JSON out, no retries. */

export type MatrixCall = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly token?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
};

/** What the server answered, whatever the status. */
export type MatrixAnswer = { readonly status: number; readonly body: Record<string, unknown> };

export class MatrixCallError extends Error {
  readonly answer: MatrixAnswer;
  constructor(what: string, answer: MatrixAnswer) {
    super(`${what} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    this.name = 'MatrixCallError';
    this.answer = answer;
  }
}

/** Calls `path` (with its `/_matrix/…`), and gives whatever came back. */
export async function matrixAnswer(baseUrl: string, path: string, { method, token, body, signal }: MatrixCall = {}): Promise<MatrixAnswer> {
  const response = await fetch(new URL(path, baseUrl), {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text } };
}

/** Calls `path` and gives the body of a 2xx; throws a {@link MatrixCallError} otherwise. */
export async function matrix(baseUrl: string, path: string, call: MatrixCall = {}): Promise<Record<string, unknown>> {
  const answer = await matrixAnswer(baseUrl, path, call);
  if (answer.status >= 300) throw new MatrixCallError(`${call.method ?? (call.body === undefined ? 'GET' : 'POST')} ${path}`, answer);
  return answer.body;
}

/** The field of an answer that must be a text. */
export function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value !== 'string') throw new Error(`expected a text in ${field}, got ${JSON.stringify(body)}`);
  return value;
}
