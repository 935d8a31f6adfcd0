import { expect } from 'chai';
import { isLogged, logged } from '../../src/loop/logged.ts';

describe('What a log has of the audit', () => {
  const verdict = { user: '@ada:stanne.example', rules: 'part2-needs-consent', revision: 'r7', warnings: 'training-overdue', consent: 'c1', delivery: 'd1' };

  it('of a verdict over a result, not the rules, the warnings or the consent that tell what kind of record it is', () => {
    for (const asked of ['read-result', 'accept-result']) expect(logged({ asked, ...verdict })).to.deep.equal({ asked, user: '@ada:stanne.example', revision: 'r7', delivery: 'd1' });
  });
  it('not that something was stopped because the rules keep it back, which only a consent can have let go', () => {
    expect(['policy', 'server-away'].map((code) => isLogged({ code }))).to.deep.equal([false, true]);
    expect(logged({ delivery: 'd1', proof: 'attachment-policy' })).to.deep.equal({ delivery: 'd1' });
  });
  it('of any other, all of it', () => {
    expect(logged({ asked: 'join', ...verdict })).to.deep.equal({ asked: 'join', ...verdict });
    expect([logged({ delivery: 'd1', proof: 'policy' }), logged(undefined)]).to.deep.equal([{ delivery: 'd1', proof: 'policy' }, undefined]);
  });
});
