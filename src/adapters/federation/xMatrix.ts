import type { KeyObject } from 'node:crypto';
import { canonicalJson } from './canonicalJson.ts';
import { isSignedBy, type Signer } from './ed25519.ts';

/** Who says to have sent a request, and the proof (server-server API §"Request Authentication"). */
export type Credentials = { readonly origin: string; readonly destination?: string; readonly key: string; readonly sig: string };

export type SignedRequest = { readonly method: string; /** Path and query, as they are sent. */ readonly uri: string; readonly content?: unknown };

/** Undefined when the header is none, or not of this form. */
export function parseXMatrix(header: string | undefined): Credentials | undefined {
  const [, text] = /^X-Matrix +(.+)$/iu.exec(header ?? '') ?? [];
  if (text === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const part of text.matchAll(/([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))[ \t]*(?:,|$)/gu)) {
    const [, name = '', quoted, token = ''] = part;
    parameters.set(name.toLowerCase(), quoted === undefined ? token : quoted.replaceAll(/\\(.)/gu, '$1'));
  }
  const [origin, destination, key, sig] = ['origin', 'destination', 'key', 'sig'].map((name) => parameters.get(name));
  return origin === undefined || key === undefined || sig === undefined ? undefined : { origin, key, sig, ...(destination === undefined ? {} : { destination }) };
}

export function xMatrix(request: SignedRequest, origin: string, destination: string, keyId: string, signer: Signer): string {
  return `X-Matrix origin="${origin}",destination="${destination}",key="${keyId}",sig="${signer.sign(bytesOf(request, origin, destination))}"`;
}

/** Throws `NotCanonical` when the content can't be what was signed. */
export const isAuthentic = (request: SignedRequest, { origin, sig }: Credentials, destination: string, key: KeyObject): boolean => isSignedBy(key, bytesOf(request, origin, destination), sig);

const bytesOf = ({ method, uri, content }: SignedRequest, origin: string, destination: string): Buffer =>
  Buffer.from(canonicalJson({ method, uri, origin, destination, ...(content === undefined ? {} : { content }) }));
