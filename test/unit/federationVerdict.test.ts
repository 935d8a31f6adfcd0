import { expect } from 'chai';
import type { Attempt, Seen, Shown } from '../federation/attempt.ts';
import { KINDS } from '../federation/forbidden.ts';
import { causeOf, droppedBy } from '../federation/lost.ts';
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

  it('puts down to a homeserver only what is missing there and accounted for by its log', () => {
    const attempts = [attempt({ allowed: true }), attempt({ allowed: true, eventId: '$f' }), attempt({ allowed: true, eventId: '$g' })];
    const lost = [{ server: 'mercy', eventId: '$e', dropped: '$x' }, { server: 'mercy', eventId: '$g', dropped: '$x' }];
    const verdict = judge({ attempts, shown: [shown(), shown({ server: 'stAnne', events: new Map([['$e', 1], ['$f', 1]]) })], seen: [], lost });
    expect(verdict, '$e was lost; $f nobody accounts for; $g is missing at another, too').to.include({ allowedRefused: 2, lostToSynapse: 1 });
    expect(verdict.findings.map(({ what, eventId, server }) => `${what} ${eventId ?? ''} ${server}`)).to.deep.equal(['lostToSynapse $e mercy', 'allowedRefused $f mercy', 'lostToSynapse $g mercy', 'allowedRefused $g stAnne']);
    expect(verdict.allowed['clear-text (cheat)']).to.include({ sent: 3, wrong: 2, lost: 1 });
  });
});

describe('What a homeserver lost by itself', () => {
  const id = (letter: string): string => `$${letter.repeat(43)}`;

  it('is read from its log: events that it failed to handle for that fault, and no other', async () => {
    async function* lines(): AsyncGenerator<string> {
      yield* [
        `2026-11-28 04:59:03,363 ERROR synapse.federation.federation_server x Failed to handle PDU ${id('a')}`, 'Traceback (most recent call last):', 'RuntimeError: Attempt to access state_group of rejected event',
        `2026-11-28 04:59:04,363 ERROR synapse.federation.federation_server x Failed to handle PDU ${id('b')}`, 'KeyError: x',
        '2026-11-28 04:59:05,363 ERROR synapse.http.server x Failed handle request', 'RuntimeError: Attempt to access state_group of rejected event',
      ];
    }
    expect([...await droppedBy(lines())]).to.deep.equal([id('a')]);
  });

  it('is what was dropped, and what builds on it by way of what is missing, too', () => {
    const graph: Readonly<Record<string, readonly string[]>> = { $late: ['$middle'], $middle: ['$late', '$dropped'], $other: ['$elsewhere'] };
    const cause = (eventId: string): string | undefined => causeOf(eventId, new Set(['$dropped']), (each) => graph[each] ?? []);
    expect(['$dropped', '$late', '$other', '$unknown'].map(cause)).to.deep.equal(['$dropped', '$dropped', undefined, undefined]);
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
