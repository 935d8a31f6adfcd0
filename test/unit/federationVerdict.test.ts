import { expect } from 'chai';
import type { Attempt, Seen, Shown } from '../federation/attempt.ts';
import { KINDS } from '../federation/forbidden.ts';
import { planOf } from '../federation/plan.ts';
import { judge } from '../federation/verdict.ts';

const attempt = (change: Partial<Attempt> = {}): Attempt => ({ number: 1, kind: 'clear-text', way: 'cheat', allowed: false, roomId: '!r', marker: 'FED-1-1', sentAt: 1000, eventId: '$e', ...change });
const shown = (change: Partial<Shown> = {}): Shown => ({ server: 'mercy', events: new Map(), redacted: new Set(), state: new Set(), markers: new Set(), ...change });
const seen = (change: Partial<Seen> = {}): Seen => ({ server: 'mercy', at: new Map(), removedAt: new Map(), ...change });

describe('The verdict of npm run federation', () => {
  const accepted = (change: Partial<Attempt>, there: Partial<Shown>, before: Partial<Seen> = {}): readonly string[] =>
    judge({ attempts: [attempt(change)], shown: [shown(there)], seen: [seen(before)] }).findings.map(({ how }) => how);

  it('holds a forbidden event for accepted that is shown anywhere, by its id or by its text', () => {
    expect(accepted({}, { events: new Map([['$e', 1]]) })).to.deep.equal(['in /messages']);
    expect(accepted({}, { state: new Set(['$e']) })).to.deep.equal(['in the current state']);
    expect(accepted({}, { markers: new Set(['FED-1-1']) })).to.deep.equal(['its text is shown']);
    expect(accepted({ removes: '$x' }, { redacted: new Set(['$x']) })).to.deep.equal(['removed what it may not remove']);
    expect(accepted({}, {}, { at: new Map([['$e', 1500]]) })).to.deep.equal(['in /sync for longer than 10 s']);
    expect(accepted({ kind: 'replay-of-accepted' }, { events: new Map([['$e', 2]]) })).to.deep.equal(['twice in /messages']);
  });

  it('holds it for refused that is shown nowhere, or was there once before', () => {
    expect(accepted({}, {})).to.deep.equal([]);
    expect(accepted({ kind: 'replay-of-accepted' }, { events: new Map([['$e', 1]]) })).to.deep.equal([]);
  });

  it('counts apart what was taken out within ten seconds, and not what took longer', () => {
    const there = { events: new Map([['$e', 1]]), redacted: new Set(['$e']) };
    const verdict = judge({ attempts: [attempt()], shown: [shown(there)], seen: [seen({ at: new Map([['$e', 1500]]), removedAt: new Map([['$e', 9000]]) })] });
    expect(verdict).to.include({ forbiddenSent: 1, forbiddenAccepted: 0, takenOut: 1 });
    expect(accepted({}, there, { at: new Map([['$e', 1500]]), removedAt: new Map([['$e', 11_001]]) })).to.deep.equal(['in /sync for longer than 10 s']);
  });

  it('holds an allowed event for refused that its own server refused, or that one hospital never shows', () => {
    const attempts = [attempt({ allowed: true }), attempt({ allowed: true, eventId: '$f' }), (({ eventId: _, ...rest }) => rest)(attempt({ allowed: true, status: 403, refused: 'clear-text' }))];
    const verdict = judge({ attempts, shown: [shown({ events: new Map([['$e', 1], ['$f', 1]]) }), shown({ server: 'stAnne', events: new Map([['$e', 1]]) })], seen: [] });
    expect(verdict).to.include({ allowedSent: 3, allowedRefused: 2 });
    expect(verdict.findings.map(({ server, how }) => `${server}: ${how}`)).to.deep.equal(['stAnne: never shown', 'its own: refused: 403 clear-text']);
  });
});

describe('The plan of npm run federation', () => {
  const plan = planOf({ events: 600, seed: 7, ways: ['client', 'cheat', 'linear', 'forked', 'dendrite'] });

  it('is the same for the same seed, and another for another', () => {
    const names = (of: typeof plan): string => JSON.stringify(of.map((step) => (step.allowed ? step.name : typeof step.kind === 'string' ? step.kind : step.kind.name)));
    expect(names(planOf({ events: 600, seed: 7, ways: ['client', 'cheat', 'linear', 'forked', 'dendrite'] }))).to.equal(names(plan));
    expect(names(planOf({ events: 600, seed: 8, ways: ['client', 'cheat', 'linear', 'forked', 'dendrite'] }))).to.not.equal(names(plan));
  });

  it('tries every kind by every way of it, and sends as much that is allowed', () => {
    const tried = new Set(plan.flatMap((step) => (step.allowed || typeof step.kind === 'string' ? [] : [`${step.kind.name} ${step.way}`])));
    expect(tried.size).to.equal(KINDS.reduce((sum, { ways }) => sum + ways.length, 0));
    expect(plan.filter(({ allowed }) => allowed).length).to.be.within(220, 320);
    expect(KINDS.length).to.be.greaterThan(40);
  });
});
