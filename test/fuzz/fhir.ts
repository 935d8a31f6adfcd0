/** The FHIR endpoint of a running Aceso, under mutated resources, bundles, headers, paths and raw bytes. */
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ROOT, type Aceso } from '../support/aceso.ts';
import { potassiumReport } from '../support/fhir.ts';
import { mutateBytes, mutateJson, textOf } from './mutate.ts';
import { randomFrom, type Random } from './random.ts';
import { inTurns, Tally, whyNot, wrongWith, type Report } from './verdict.ts';

export type Options = { readonly inputs: number; readonly seed: number; readonly say: (line: string) => void };

const fixtures = join(ROOT, 'bridges', 'fhir-push', 'fixtures');
const seeds = (): readonly Record<string, unknown>[] => [potassiumReport(), ...readdirSync(fixtures).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(fixtures, name), 'utf8')) as Record<string, unknown>)];

export async function fuzzFhir(aceso: Pick<Aceso, 'fhirUrl' | 'token'>, { inputs, seed, say }: Options): Promise<Report> {
  const tally = new Tally('fhir');
  const resources = seeds();
  await inTurns(inputs, 6, (done) => say(`fhir: ${done} of ${inputs}`), async (index) => {
    const random = randomFrom(seed + index);
    if (random.chance(0.01)) {
      await garbage(aceso.fhirUrl, random);
      tally.outcome('raw bytes');
      return;
    }
    try {
      const { status, text } = await request(aceso, resources, random);
      tally.outcome(String(status));
      const wrong = wrongWith(status, text, (body) => body['resourceType'] === 'OperationOutcome' && Array.isArray(body['issue']) && body['issue'].length > 0);
      if (wrong !== undefined) tally.failure(seed + index, wrong);
    } catch (error) {
      tally.outcome('no answer');
      tally.failure(seed + index, `no answer: ${whyNot(error)}`);
    }
  });
  return tally.report();
}

async function request({ fhirUrl, token }: Pick<Aceso, 'fhirUrl' | 'token'>, resources: readonly Record<string, unknown>[], random: Random): Promise<{ readonly status: number; readonly text: string }> {
  const resource = random.pick(resources);
  const mutated = random.chance(0.9) ? mutateJson(resource, random) : resource;
  const text = Buffer.from(textOf(mutated));
  const type = String(resource['resourceType']);
  const usual = type === 'Bundle' ? (resource['type'] === 'message' ? '/$process-message' : '') : `/${type}`;
  const path = random.chance(0.9) ? usual : random.pick(['/', '//', '/Patient', '/DiagnosticReport/1', '/%E0%A4%A', '/metadata', '/$process-message?async=true', '/DiagnosticReport?_format=xml', '/Observation/$validate', '/..%2f..%2fetc', '/\u{1f480}', `/${'a'.repeat(2000)}`]);
  const method = random.chance(0.95) ? 'POST' : random.pick(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']);
  const headers: Record<string, string> = { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}` };
  if (random.chance(0.1)) headers['content-type'] = random.pick(['application/json', 'text/plain', 'application/fhir+xml', '', 'application/fhir+json; charset=utf-16', 'x'.repeat(500)]);
  if (random.chance(0.05)) headers['authorization'] = random.pick(['', 'Bearer', `Bearer ${token}x`, `Basic ${token}`, `bearer ${token}`, 'Bearer eyJhbGciOiJub25lIn0.e30.']);
  if (random.chance(0.15)) headers['if-none-exist'] = random.pick(['identifier=a|b', 'identifier=urn:mercy:lab:filler|L-2026-3391', 'identifier=', 'identifier', '&&=', '_id=1', 'identifier=%', 'x'.repeat(4000), 'identifier=a|b&identifier=c|d']);
  if (random.chance(0.1)) headers['prefer'] = random.pick(['return=minimal', 'return=representation', 'return=OperationOutcome', 'return=', ';;;']);
  if (random.chance(0.05)) headers['accept'] = random.pick(['application/fhir+xml', '*/*', 'text/html', ',,,', 'application/fhir+json;q=0']);
  const body = random.chance(0.25) ? mutateBytes(text, random) : new Uint8Array(text);
  const answer = await fetch(`${fhirUrl}${path}`, { method, headers, redirect: 'manual', ...(method === 'GET' || method === 'HEAD' ? {} : { body }) });
  const answered = await answer.text();
  // An answer to HEAD has no body: its form can't be seen.
  return { status: method === 'HEAD' && answer.status < 500 ? 200 : answer.status, text: answered };
}

/** Bytes that are hardly HTTP: the server may say anything, or nothing, and must go on. */
function garbage(url: string, random: Random): Promise<void> {
  const { hostname, port } = new URL(url);
  const request = Buffer.from(`POST /fhir/DiagnosticReport HTTP/1.1\r\nHost: x\r\nContent-Length: ${random.int(5000)}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined).on('close', () => resolve()).on('data', () => undefined);
    socket.setTimeout(200, () => socket.destroy());
    socket.end(mutateBytes(request, random));
  });
}
