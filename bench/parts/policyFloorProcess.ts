/**
 * The floor of what a policy server costs in Node: HTTPS that verifies the request and the event by the one key it was given, and signs. It knows
 * no rooms and no rules, bounds nothing, counts nothing.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { canonicalJson } from '../../src/adapters/federation/canonicalJson.ts';
import { isSignedBy, publicKeyOf, signerOf } from '../../src/adapters/federation/ed25519.ts';
import { signableBytes } from '../../src/adapters/federation/event.ts';
import { signatureIn, type JsonObject } from '../../src/adapters/federation/signedJson.ts';
import { isAuthentic, parseXMatrix } from '../../src/adapters/federation/xMatrix.ts';

export type FloorOptions = { readonly port: number; readonly certificate: string; readonly key: string; readonly serverName: string; /** Of the server that asks. */ readonly publicKey: string; /** The policy key, in base64. */ readonly seed: string };

const { port, certificate, key, serverName, publicKey, seed } = JSON.parse(process.argv[2] ?? '') as FloorOptions;
const originKey = publicKeyOf(publicKey);
const policy = signerOf(Buffer.from(seed, 'base64'));

createServer({ cert: readFileSync(certificate), key: readFileSync(key), keepAliveTimeout: 65_000 }, (request, response) => void answer(request, response)).listen(port, '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const event = JSON.parse(Buffer.concat(chunks).toString('utf8')) as JsonObject;
  const credentials = parseXMatrix(request.headers.authorization);
  const isProven = credentials !== undefined && originKey !== undefined && isAuthentic({ method: request.method ?? '', uri: request.url ?? '', content: canonicalJson(event) }, credentials, serverName, originKey);
  const signable = signableBytes('12', event);
  const isSigned = isProven && isSignedBy(originKey, signable, signatureIn(event, credentials.origin, credentials.key));
  const [status, body] = isSigned ? [200, { [serverName]: { 'ed25519:policy_server': policy.sign(signable) } }] as const : [403, { errcode: 'M_FORBIDDEN', error: 'not signed' }] as const;
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}
