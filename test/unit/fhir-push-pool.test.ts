import { expect } from 'chai';
import { Worker } from 'node:worker_threads';
import { createPool, type Pool } from '../../bridges/fhir-push/index.ts';
import { endpoint, fixtureText } from '../fixtures/fhir/endpoint.ts';
import { until } from '../support/until.ts';

const ENTRY = new URL('../../src/main/fhirThread.ts', import.meta.url);

describe('fhir-push in threads', function () {
  this.timeout(60_000);
  const opened: Worker[] = [];
  const open = (): Worker => {
    const worker = new Worker(ENTRY);
    opened.push(worker);
    return worker;
  };
  const options = { open, threads: 1, aboveBytes: 0, mostWaiting: 0, withinMs: 40_000, idleMs: 60_000 };
  let pool: Pool;
  before(() => { pool = createPool(options); });
  after(() => pool.stop());

  it('gives what it gives without: the same answers, the same arrivals', async () => {
    const [there, here] = await Promise.all([endpoint({}, {}, undefined, pool), endpoint()]);
    const cases = [
      { path: '/DiagnosticReport', body: fixtureText('potassium-report') }, { path: '/DiagnosticReport', body: fixtureText('potassium-corrected') }, { path: '/', body: fixtureText('bmp-transaction') },
      { path: '/', body: fixtureText('potassium-transaction').replace('"transaction"', '"batch"') }, { path: '/DiagnosticReport', body: fixtureText('potassium-report'), headers: { 'if-none-exist': 'identifier=https://lab.mercy.example/filler|F-2026-99812' } },
      { path: '/DiagnosticReport', body: '{' }, { path: '/DiagnosticReport', body: fixtureText('potassium-report').replace('"final"', '"banana"') },
    ];
    for (const each of cases) {
      const [a, b] = [await there.send(each), await here.send(each)];
      expect({ status: a.status, headers: a.headers, json: a.json }).to.deep.equal({ status: b.status, headers: b.headers, json: b.json });
    }
    expect(there.arrivals).to.deep.equal(here.arrivals);
    expect(there.arrivals.length).to.be.greaterThan(0);
  });

  it('says 503 when the store is away', async () => {
    const { send, mood } = await endpoint({}, {}, undefined, pool);
    mood.down = true;
    expect((await send({ path: '/DiagnosticReport', body: fixtureText('potassium-report') })).headers).to.include({ 'retry-after': '5' });
  });

  it('refuses what no thread and no place in the queue is left for: 503 with Retry-After', async () => {
    const { send, arrivals } = await endpoint({}, {}, undefined, pool);
    const answers = await Promise.all([1, 2, 3].map(() => send({ path: '/DiagnosticReport', body: fixtureText('potassium-report') })));
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 503, 503]);
    expect(answers[1]?.headers).to.include({ 'retry-after': '2' });
    expect(arrivals.length).to.equal(1);
  });

  it('loses one request to a thread that ends, and goes on with a new one', async () => {
    const { send, mood } = await endpoint({}, {}, undefined, pool);
    const answer = send({ path: '/DiagnosticReport', body: fixtureText('potassium-report') });
    await opened.at(-1)?.terminate();
    expect((await answer).status).to.equal(503);
    const before = opened.length;
    expect((await send({ path: '/DiagnosticReport', body: fixtureText('potassium-report') })).status).to.equal(201);
    expect(opened.length).to.equal(before + 1);
    mood.down = false;
  });

  it('ends a thread that takes too long, and one that has had nothing to do', async () => {
    const hasty = createPool({ ...options, withinMs: 1 });
    const { send } = await endpoint({}, {}, undefined, hasty);
    expect((await send({ path: '/DiagnosticReport', body: fixtureText('potassium-report') })).headers).to.include({ 'retry-after': '60' });
    let ended = false;
    const lazy = createPool({ ...options, idleMs: 1, open: () => open().on('exit', () => { ended = true; }) });
    const { send: sendLazy } = await endpoint({}, {}, undefined, lazy);
    expect((await sendLazy({ path: '/DiagnosticReport', body: fixtureText('potassium-report') })).status).to.equal(201);
    await until('the idle thread to end', () => ended);
    await Promise.all([hasty.stop(), lazy.stop()]);
  });
});
