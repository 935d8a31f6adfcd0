/** Somebody with an account and a device, and what their client can do: the client-server API, without a library between. */
import type { Hospital, Session } from '../support/lab.ts';
import { matrixAnswer, type MatrixAnswer } from '../support/matrixHttp.ts';

/** Whatever serves clients: a Synapse of the laboratory, or Dendrite. */
export type Home = Pick<Hospital, 'name' | 'serverName' | 'baseUrl' | 'register' | 'login'>;

export type Person = Session & { readonly home: Home };

const PASSWORD = 'password-of-federation';
const CLIENT = '/_matrix/client/v3';

export async function newPerson(home: Home, user: string, role: 'user' | 'admin' = 'user'): Promise<Person> {
  await home.register(user, PASSWORD, role);
  return { ...(await home.login(user, PASSWORD)), home };
}

export const roomPath = (roomId: string, rest: string): string => `/rooms/${encodeURIComponent(roomId)}/${rest}`;

/** The status of an answer that never came. */
export const NO_ANSWER = 0;
const ANSWERED_WITHIN_MS = 90_000;

/** Whatever comes back; status {@link NO_ANSWER} when nothing does. */
export async function call({ baseUrl, accessToken }: Person, method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<MatrixAnswer> {
  try {
    return await matrixAnswer(baseUrl, path.startsWith('/_') ? path : `${CLIENT}${path}`, { method, token: accessToken, signal: AbortSignal.timeout(ANSWERED_WITHIN_MS), ...(body === undefined ? {} : { body }) });
  } catch (error) {
    return { status: NO_ANSWER, body: { errcode: 'NO_ANSWER', error: error instanceof Error ? `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}`.trim() : String(error) } };
  }
}

/** What a GET gives, asked again while the server has a bad moment; throws after a minute of that. */
export async function got(person: Person, path: string): Promise<MatrixAnswer['body']> {
  for (const until = Date.now() + 60_000; ;) {
    const { status, body } = await call(person, 'GET', path);
    if (status === 200) return body;
    if (Date.now() > until || !isPassing(status)) throw new Error(`${person.home.name}: ${path.split('?')[0] ?? ''} answered ${status} ${JSON.stringify(body)}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Of the moment: clients ask again. */
export const isPassing = (status: number): boolean => status === NO_ANSWER || status === 429 || status >= 500;

/** A Matrix event as a client would have it sent. */
export type Sendable = { readonly type: string; readonly content: Readonly<Record<string, unknown>>; readonly stateKey?: string; /** Of a redaction. */ readonly redacts?: string };

/** Why something was refused: the rule's id, or the error code. */
export function reasonOf({ 'org.aceso.rule': rule, errcode: code }: MatrixAnswer['body']): string {
  return typeof rule === 'string' ? rule : typeof code === 'string' ? code : '';
}

/** An event as clients are shown it. */
export type ClientEvent = { readonly event_id: string; readonly type: string; readonly state_key?: string; readonly redacts?: string; readonly content?: Readonly<Record<string, unknown>>; readonly unsigned?: { readonly redacted_because?: unknown } };

/** The events that an answer lists. */
export const listIn = ({ text }: MatrixAnswer['body']): readonly ClientEvent[] => (typeof text === 'string' && text !== '' ? (JSON.parse(text) as readonly ClientEvent[]) : []);

let transactions = 0;

/** A name for what is sent, under which it may be sent again. */
export const newTransaction = (): string => `f${(transactions += 1)}`;

export function sendAs(person: Person, roomId: string, { type, content, stateKey, redacts }: Sendable, transaction = newTransaction()): Promise<MatrixAnswer> {
  if (redacts !== undefined) return call(person, 'PUT', roomPath(roomId, `redact/${encodeURIComponent(redacts)}/${transaction}`), content);
  if (stateKey !== undefined) return call(person, 'PUT', roomPath(roomId, `state/${type}/${encodeURIComponent(stateKey)}`), content);
  return call(person, 'PUT', roomPath(roomId, `send/${type}/${transaction}`), content);
}
