import { expect } from 'chai';
import { as, type Millis } from '../../src/domain/brand.ts';
import { createRefusals } from '../../src/loop/refusals.ts';
import type { Refusal } from '../../src/ports/refusal.ts';
import type { AuditNote } from '../../src/ports/store.ts';

describe('Refusals', () => {
  const open = () => {
    const clock = { now: 1_800_000_000_000 };
    const rows: AuditNote[] = [];
    const logged: string[] = [];
    const counted: Record<string, string>[] = [];
    const mood: { away?: boolean } = {};
    const quiet = (): void => undefined;
    const refusals = createRefusals({
      store: { audit: async (notes) => { if (mood.away) throw new Error('away'); rows.push(...notes); } },
      keys: { pseudonym: (kind, text) => `${kind}:${text.length}` }, now: () => as<Millis>(clock.now),
      log: { info: quiet, warn: (code, fields) => void logged.push(`${code} ${JSON.stringify(fields)}`), error: (code) => void logged.push(code) },
      metrics: { count: (name, labels) => void counted.push({ name, ...labels }), observe: quiet },
    });
    const note = (change: Partial<Refusal> = {}): void => refusals.note({ door: 'fhir-push', code: 'unknown-credentials', status: 401, peer: '192.0.2.7', ...change });
    return { clock, rows, logged, counted, mood, refusals, note };
  };

  it('are audited with door, reason, source and the pseudonym of the peer, each counted', async () => {
    const { rows, counted, refusals, note, clock } = open();
    note();
    note({ source: as('lab'), code: 'forbidden', status: 403 });
    await refusals.flush();
    expect(rows).to.deep.equal([
      { at: clock.now, kind: 'door', aggregate: 'fhir-push', action: 'request.refused', because: 'unknown-credentials', detail: { door: 'fhir-push', status: 401, times: 1, last: clock.now, peer: 'peer:9' } },
      { at: clock.now, kind: 'door', aggregate: 'lab', action: 'request.refused', because: 'forbidden', detail: { door: 'fhir-push', status: 403, times: 1, last: clock.now, peer: 'peer:9' } },
    ]);
    expect(counted).to.deep.equal([{ name: 'http_refusals', door: 'fhir-push', code: 'unknown-credentials' }, { name: 'http_refusals', door: 'fhir-push', code: 'forbidden' }]);
  });

  it('that are the same are one row with how often', async () => {
    const { rows, refusals, note } = open();
    for (let n = 0; n < 1000; n += 1) note();
    await refusals.flush();
    expect(rows.map(({ detail }) => detail?.['times'])).to.deep.equal([1000]);
  });

  it('of an attack fill no disk, and none goes uncounted: 250,000 in six hours', async () => {
    const { rows, logged, refusals, note, clock } = open();
    const end = clock.now + 6 * 3_600_000;
    let sent = 0;
    for (; clock.now < end; clock.now += 60_000) {
      for (let n = 0; n < 700; n += 1) note({ peer: '1'.repeat(1 + (n % 300)), code: n % 2 === 0 ? 'unknown-credentials' : 'no-credentials' });
      sent += 700;
      await refusals.flush();
    }
    await refusals.stop();
    expect(sent).to.be.greaterThan(250_000);
    expect(rows.reduce((sum, { detail }) => sum + Number(detail?.['times']), 0)).to.equal(sent);
    expect(rows.length).to.be.lessThan(2500);
    expect(logged.length).to.equal(rows.length);
  });

  it('that can\'t be written wait, in sums, for the store to come back', async () => {
    const { rows, logged, mood, refusals, note } = open();
    mood.away = true;
    note();
    note({ peer: 'b' });
    await refusals.flush();
    expect(logged.at(-1)).to.equal('audit.failed');
    mood.away = false;
    await refusals.stop();
    expect(rows.map(({ detail }) => detail?.['times'])).to.deep.equal([2]);
  });

  it('tell no address to log or audit', async () => {
    const { rows, logged, refusals, note } = open();
    note();
    await refusals.flush();
    expect(JSON.stringify([rows, logged])).not.to.include('192.0.2.7');
  });
});
