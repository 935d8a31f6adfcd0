import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { createSecureContext } from 'node:tls';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import { isObject, type JsonObject } from './signedJson.ts';

export type Answer = { readonly status: number; readonly body: JsonObject };

/** Asks one server over its federation API. An answer of any status is an answer. */
export type Ask = (method: string, uri: string, options?: { readonly content?: unknown; readonly authorization?: string; readonly withinMs?: number }) => Promise<Outcome<Answer, 'unavailable'>>;

/** What is sent back is read up to this much: the state of a room can be large. */
const MOST_BYTES = 64 * 1024 * 1024;
const WITHIN_MS = 30_000;

/** `ca`: PEM of the authority behind its certificate, when it is no public one. `host`: what it is asked as, and its certificate is for, where that isn't in the URL. */
export type ClientOptions = { readonly ca?: Buffer | undefined; readonly host?: string; readonly advice: string };

/** `url`: where the server's federation API is reached. */
export function createClient(url: string, { ca, host, advice }: ClientOptions): { readonly ask: Ask; close(): void } {
  const base = new URL(url);
  const isTls = base.protocol === 'https:';
  const agent = isTls ? new HttpsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) }) : new HttpAgent({ keepAlive: true });
  const ask: Ask = (method, uri, { content, authorization, withinMs = WITHIN_MS } = {}) => new Promise((resolve) => {
    const say = (message: string): void => resolve(fail('unavailable', `${base.origin}: ${message}. ${advice}`, { retry: true }));
    const body = content === undefined ? undefined : Buffer.from(JSON.stringify(content));
    const call = (isTls ? requestHttps : requestHttp)(new URL(uri, base), {
      method, agent, signal: AbortSignal.timeout(withinMs), ...(host === undefined ? {} : { servername: host.replace(/:\d+$/u, '') }),
      headers: { ...(host === undefined ? {} : { host }), accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }), ...(authorization === undefined ? {} : { authorization }) },
    }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_BYTES) response.destroy(new Error('too much'));
        else chunks.push(chunk);
      });
      response.on('error', () => say('the answer was cut off'));
      response.on('end', () => resolve(ok({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks)) })));
    });
    call.on('error', (error: NodeJS.ErrnoException) => say(`can't be asked (${error.code ?? error.name})`));
    call.end(body);
  });
  return { ask, close: () => agent.destroy() };
}

/** The PEM of an authority. Throws with the file and what to do. */
export function readAuthority(path: string): Buffer {
  try {
    const pem = readFileSync(path);
    createSecureContext({ ca: pem });
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('not PEM');
    return pem;
  } catch (error) {
    throw new Error(`policy_server.federation_ca: ${path} can't be used (${(error as NodeJS.ErrnoException).code ?? 'not PEM'}). Put the certificate of the authority there that signed the homeserver's, or take the setting out when it is a public one.`, { cause: error });
  }
}

/** Empty when it is no JSON object. */
function parsed(bytes: Buffer): JsonObject {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
