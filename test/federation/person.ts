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

export function call({ baseUrl, accessToken }: Person, method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<MatrixAnswer> {
  return matrixAnswer(baseUrl, path.startsWith('/_') ? path : `${CLIENT}${path}`, { method, token: accessToken, ...(body === undefined ? {} : { body }) });
}

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

export function sendAs(person: Person, roomId: string, { type, content, stateKey, redacts }: Sendable): Promise<MatrixAnswer> {
  transactions += 1;
  if (redacts !== undefined) return call(person, 'PUT', roomPath(roomId, `redact/${encodeURIComponent(redacts)}/f${transactions}`), content);
  if (stateKey !== undefined) return call(person, 'PUT', roomPath(roomId, `state/${type}/${encodeURIComponent(stateKey)}`), content);
  return call(person, 'PUT', roomPath(roomId, `send/${type}/f${transactions}`), content);
}
