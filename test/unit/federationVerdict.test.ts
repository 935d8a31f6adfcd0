import { expect } from 'chai';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Attempt, Seen, Shown } from '../federation/attempt.ts';
import { KINDS } from '../federation/forbidden.ts';
import { causeOf, droppedBy, overflowFor, unsentBy } from '../federation/lost.ts';
import { planOf } from '../federation/plan.ts';
import { isAsItMustBe, judge } from '../federation/verdict.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

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
    const lost = [{ server: 'mercy', eventId: '$e', cause: 'synapse' as const, told: 'its log says that $x was dropped' }, { server: 'mercy', eventId: '$g', cause: 'synapse' as const, told: '…' }];
    const verdict = judge({ attempts, shown: [shown(), shown({ server: 'stAnne', events: new Map([['$e', 1], ['$f', 1]]) })], seen: [], lost });
    expect(verdict, '$e was lost; $f nobody accounts for; $g is missing at another, too').to.include({ allowedRefused: 2, lostToSynapse: 1 });
    expect(verdict.findings.map(({ what, eventId, server }) => `${what} ${eventId ?? ''} ${server}`)).to.deep.equal(['lostToSynapse $e mercy', 'allowedRefused $f mercy', 'lostToSynapse $g mercy', 'allowedRefused $g stAnne']);
    expect(verdict.allowed['clear-text (cheat)']).to.include({ sent: 3, wrong: 2, lost: 1 });
  });

  it('tells where what is missing was lost, by whose doing, and what was forged beside it', () => {
    const attempts = [
      attempt({ allowed: true, beside: 'unknown-state' }), attempt({ allowed: true, eventId: '$f' }), attempt({ allowed: true, eventId: '$g' }),
      (({ eventId: _, ...rest }) => rest)(attempt({ allowed: true, way: 'cheat', status: 500 })), (({ eventId: _, ...rest }) => rest)(attempt({ allowed: true, way: 'dendrite', status: 500 })),
    ];
    const lost = [{ server: 'mercy', eventId: '$e', cause: 'full-queue' as const, told: 'full' }, { server: 'mercy', eventId: '$f', cause: 'eastside' as const, told: 'not sent' }];
    const verdict = judge({ attempts, shown: [shown()], seen: [], lost });
    expect(verdict).to.include({ lostToFullQueue: 1, lostByEastside: 2, lostToSynapse: 0, allowedRefused: 2 });
    expect(verdict.allowedLost).to.deep.equal([
      { server: 'mercy', cause: 'full-queue', beside: 'unknown-state', events: 1 }, { server: 'mercy', cause: 'eastside', beside: 'nothing', events: 1 }, { server: 'mercy', cause: 'unknown', beside: 'nothing', events: 1 },
      { server: 'its own', cause: 'eastside', beside: 'nothing', events: 1 }, { server: 'its own', cause: 'refused', beside: 'nothing', events: 1 },
    ]);
  });

  it('is not as it must be when the run ended early, or a hospital threw away what waited for it', () => {
    const fine = { verdict: { forbiddenAccepted: 0, allowedRefused: 0, lostToFullQueue: 0 }, signed: [] };
    expect(isAsItMustBe(fine)).to.equal(true);
    expect([isAsItMustBe({ ...fine, incomplete: 'Mercy ended' }), isAsItMustBe({ ...fine, verdict: { ...fine.verdict, lostToFullQueue: 1 } }), isAsItMustBe({ ...fine, signed: ['$x'] })]).to.deep.equal([false, false, false]);
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

  it('is put down to a full queue only in that room, at that server, and while the event may have waited in it', () => {
    const overflows = [{ server: 'mercy', roomId: '!r', at: 50_000 }];
    const at = (change: object): boolean => overflowFor({ server: 'mercy', roomId: '!r', sentAt: 10_000, ...change }, overflows) !== undefined;
    expect([at({}), at({ server: 'stAnne' }), at({ roomId: '!s' }), at({ sentAt: 50_001 }), at({ sentAt: -200_000 })]).to.deep.equal([true, false, false, false, false]);
  });

  it('is put down to the server that cheats only when its own database says that it never sent it', () => {
    const folder = temporaryFolder('unsent');
    const databaseFile = join(folder, 'homeserver.db');
    const database = new DatabaseSync(databaseFile);
    database.exec('CREATE TABLE events (event_id TEXT, stream_ordering INTEGER, rejection_reason TEXT); CREATE TABLE destinations (destination TEXT, last_successful_stream_ordering INTEGER)');
    database.exec(`INSERT INTO events VALUES ('$sent', 5, NULL), ('$waits', 9, NULL), ('$rejected', 4, 'auth_error'); INSERT INTO destinations VALUES ('mercy', 7)`);
    database.close();
    const at = (eventId: string): string | undefined => unsentBy({ databaseFile }, { server: 'mercy', eventId });
    expect([at('$sent'), at('$waits'), at('$rejected'), at('$unknown')]).to.deep.equal([undefined, 'the server that cheats has not sent it', 'the server that cheats rejected it itself', 'the server that cheats never stored it']);
    removeFolder(folder);
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
