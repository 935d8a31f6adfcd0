import { expect } from 'chai';
import type { FederationOptions } from '../federation/options.ts';
import type { Outcome } from '../federation/outcome.ts';
import { run } from '../federation/run.ts';

/** With this seed, 28 kinds by every way are among so few. `shownForMs`: what Synapse shows in spite of a refusal is taken out as fast as the machine is; the run of `npm run federation` holds it to 10 s. */
const OPTIONS: FederationOptions = { events: 60, seed: 5, lanes: 4, rooms: 2, pairs: 0, synapse: 'mended', dendrite: 'if-it-is-built', shownForMs: 60_000, keep: false, progress: 'shown' };

describe('Rooms of two hospitals, a homeserver that cheats and a Dendrite', function () {
  this.timeout(600_000);
  const said: string[] = [];
  let outcome: Outcome;

  before(async () => {
    outcome = await run(OPTIONS, new AbortController().signal, (line) => said.push(line));
  });

  it('show nothing forbidden, of more than twenty kinds, and all that is allowed', () => {
    const { verdict, signed, incomplete } = outcome;
    expect(incomplete, said.join('\n')).to.equal(undefined);
    expect(verdict.findings.filter(({ what }) => what === 'forbiddenAccepted' || what === 'allowedRefused' || what === 'lostToFullQueue'), said.join('\n')).to.deep.equal([]);
    expect(signed).to.deep.equal([]);
    expect(new Set(Object.keys(verdict.forbidden).map((name) => name.replace(/ \(.*/u, ''))).size).to.be.at.least(20);
    expect(verdict.allowedSent).to.be.at.least(20);
    expect(outcome.policyMs.asked).to.be.greaterThan(0);
  });

  it('get nothing forbidden from people at the hospitals at all, but for profiles, which Synapse sends before it asks', () => {
    const passed = Object.entries(outcome.verdict.forbidden).filter(([name, { sent, refusedAtSender }]) => name.endsWith('(client)') && !name.startsWith('profile-') && refusedAtSender < sent);
    expect(passed).to.deep.equal([]);
  });

  it('have people at a Dendrite in them, who are held to the same', function () {
    const { verdict: { forbidden, allowed }, dendrite } = outcome;
    if (!dendrite.startsWith('v')) {
      console.log(`    2026-11-28: not shown, since ${dendrite}`);
      this.skip();
    }
    const sent = (of: typeof forbidden): number => Object.entries(of).reduce((sum, [name, counts]) => sum + (name.endsWith('(dendrite)') ? counts.sent : 0), 0);
    expect(sent(forbidden)).to.be.greaterThan(0);
    expect(sent(allowed)).to.be.greaterThan(0);
  });
});
