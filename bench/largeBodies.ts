/**
 * What large bodies do to the door: several of them at once, with small ones beside them. With threads (as in production) and without.
 * Run: node bench/largeBodies.ts [--threads 1] [--megabytes 5] [--large 6]. The last line is JSON.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createFhirPush, createPool } from '../bridges/fhir-push/index.ts';
import { createFhirValidator } from '../src/adapters/fhir/validator.ts';
import { as } from '../src/domain/brand.ts';
import { ok } from '../src/domain/outcome.ts';
import type { HttpReply } from '../src/ports/bridge.ts';

const { values } = parseArgs({ options: { threads: { type: 'string', default: '1' }, megabytes: { type: 'string', default: '5' }, large: { type: 'string', default: '6' } } });
const threads = Number(values.threads);
const bytes = Number(values.megabytes) * 1024 * 1024;
const many = Number(values.large);

/** As many entries as a bundle may have by default, each as large as it takes. */
const ENTRIES = 500;
const observation = (n: number, length = 20): object => ({
  resourceType: 'Observation', status: 'final', identifier: [{ system: 'urn:bench', value: String(n) }], code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }], text: 'Potassium' },
  subject: { identifier: { system: 'urn:mrn', value: '1' } }, valueQuantity: { value: 4.2, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' }, note: [{ text: 'x'.repeat(length) }],
});
const small = JSON.stringify(observation(0));
const bundle = (): Buffer => {
  const entry = Array.from({ length: ENTRIES }, (_, n) => ({ request: { method: 'POST', url: 'Observation' }, resource: observation(n, Math.floor(bytes / ENTRIES) - 500) }));
  return Buffer.from(JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }));
};

const pool = threads === 0 ? undefined : createPool({ open: () => new Worker(new URL('../src/main/fhirThread.ts', import.meta.url)), threads, aboveBytes: 256 * 1024, mostWaiting: 16, withinMs: 120_000, idleMs: 300_000 });
const host = { receive: async (all: readonly unknown[]) => ok(all.map((_, n) => ({ id: `r${n}`, version: 1, created: true }))), staff: async () => ok([]), find: async () => ok([]), observe: () => undefined };
const [route] = createFhirPush({ sources: [{ id: as('lab'), name: 'lab', resourceTypes: ['Observation'], maxBytes: 64 * 1024 * 1024 }] }, {
  host, validator: await createFhirValidator(), authenticator: { ways: ['token'], authenticate: async () => ok({ source: as('lab'), way: 'token' }) }, ...(pool === undefined ? {} : { pool }),
}).routes;
const send = async (path: string, body: Uint8Array): Promise<HttpReply> => {
  const admission = await route?.admit({ method: 'POST', path, query: new URLSearchParams(), headers: { 'content-type': 'application/fhir+json' }, peer: { address: '127.0.0.1' } });
  if (admission === undefined || 'reply' in admission) throw new Error('not admitted');
  try {
    return await admission.take(body);
  } finally {
    admission.done?.();
  }
};

const body = bundle();
await send('/', body);
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const started = performance.now();
let done = 0;
let largest = 0;
const waits: number[] = [];
const largeOnes = Promise.all(Array.from({ length: many }, async () => { const { status } = await send('/', body); done += 1; return status; }));
while (done < many) {
  const asked = performance.now();
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  await send('/Observation', Buffer.from(small));
  waits.push(performance.now() - asked - 20);
  largest = Math.max(largest, process.memoryUsage().rss);
}
const statuses = await largeOnes;
waits.sort((a, b) => a - b);
const ms = (n: number): number => Math.round(n);
process.stdout.write(`${JSON.stringify({
  threads, bytes: body.length, large: many, statuses: [...new Set(statuses)], secondsInAll: ms(performance.now() - started) / 1000, smallMs: { p50: ms(waits[Math.floor(waits.length / 2)] ?? 0), max: ms(waits.at(-1) ?? 0) },
  loopDelayMs: { p99: ms(delay.percentile(99) / 1e6), max: ms(delay.max / 1e6) }, rssMb: ms(largest / 1e6),
})}\n`);
await pool?.stop();
