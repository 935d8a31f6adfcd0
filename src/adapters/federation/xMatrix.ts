import type { KeyObject } from 'node:crypto';
import { canonicalJson } from './canonicalJson.ts';
import { isSignedBy, type Signer } from './ed25519.ts';

/** Who says to have sent a request, and the proof (server-server API §"Request Authentication"). */
export type Credentials = { readonly origin: string; readonly destination?: string; readonly key: string; readonly sig: string };

/** `content`: of the body, in canonical JSON. */
export type ReceivedRequest = { readonly method: string; readonly uri: string; readonly content?: string };

export type SignedRequest = { readonly method: string; /** Path and query, as they are sent. */ readonly uri: string; readonly content?: unknown };

/** Of four parameters: names of 255 characters, a signature of 88. */
const MOST_CHARACTERS = 2048;
const SPACE = /[ \t]*/uy;
const NAME = /[!#$%&'*+.^_`|~\w-]+/uy;
const EQUALS = /[ \t]*=[ \t]*/uy;
const QUOTED = /"(?:[^"\\]|\\.)*"/uy;
const TOKEN = /[^\s,"]+/uy;
const NEXT = /[ \t]*(?:,|$)/uy;

/** Undefined when the header is none, or not of this form. Reads it once from its beginning to its end, whatever is in it. */
export function parseXMatrix(header: string | undefined): Credentials | undefined {
  if (header === undefined || header.length > MOST_CHARACTERS || !/^X-Matrix +/iu.test(header)) return undefined;
  let at = 'X-Matrix '.length;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [text] = pattern.exec(header) ?? [];
    at += text?.length ?? 0;
    return text;
  };
  const parameters = new Map<string, string>();
  while (at < header.length) {
    take(SPACE);
    const name = take(NAME);
    if (name === undefined || take(EQUALS) === undefined) return undefined;
    const quoted = take(QUOTED);
    const value = quoted === undefined ? take(TOKEN) : quoted.slice(1, -1).replaceAll(/\\(.)/gu, '$1');
    if (value === undefined || take(NEXT) === undefined) return undefined;
    parameters.set(name.toLowerCase(), value);
  }
  const [origin, destination, key, sig] = ['origin', 'destination', 'key', 'sig'].map((name) => parameters.get(name));
  return origin === undefined || key === undefined || sig === undefined ? undefined : { origin, key, sig, ...(destination === undefined ? {} : { destination }) };
}

export function xMatrix({ method, uri, content }: SignedRequest, origin: string, destination: string, keyId: string, signer: Signer): string {
  return `X-Matrix origin="${origin}",destination="${destination}",key="${keyId}",sig="${signer.sign(bytesOf({ method, uri, ...(content === undefined ? {} : { content: canonicalJson(content) }) }, origin, destination))}"`;
}

export const isAuthentic = (request: ReceivedRequest, { origin, sig }: Credentials, destination: string, key: KeyObject): boolean => isSignedBy(key, bytesOf(request, origin, destination), sig);

/** The content comes first by its name. */
function bytesOf({ method, uri, content }: ReceivedRequest, origin: string, destination: string): Buffer {
  const rest = canonicalJson({ destination, method, origin, uri });
  return Buffer.from(content === undefined ? rest : `{"content":${content},${rest.slice(1)}`);
}
