import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createLedger } from '../federation/ledger.ts';
import { createPace } from '../federation/pace.ts';
import { NO_ANSWER, type Person } from '../federation/person.ts';
import { planOf } from '../federation/plan.ts';
import { Meaningless, play, type Play } from '../federation/play.ts';
import { createTroubles } from '../federation/trouble.ts';
import { watch, type Watch } from '../federation/watch.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';
import { until } from '../support/until.ts';

type Event = { readonly event_id: string; readonly type: string; readonly content: object };
const message = (id: string): Event => ({ event_id: id, type: 'm.room.encrypted', content: { algorithm: 'x' } });
const person = (baseUrl: string): Person => ({ userId: '@ada:test', accessToken: 'x', deviceId: 'X', baseUrl, home: { name: 'St. Anne', serverName: 'test', baseUrl, register: () => Promise.reject(new Error()), login: () => Promise.reject(new Error()) } });

describe('What npm run federation sees of a room', () => {
  let server: Server;
  let watching: Watch | undefined;
  let answers: ((path: string) => { readonly status: number; readonly body: object })[];

  const start = async (...given: typeof answers): Promise<string> => {
    answers = given;
    server = createServer((request, response) => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      const { status, body } = answer?.(request.url ?? '') ?? { status: 500, body: {} };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  afterEach(async () => {
    const stopped = watching?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await stopped;
  });
  const sync = (events: readonly Event[], more: object = {}): { readonly status: number; readonly body: object } => ({ status: 200, body: { next_batch: 's', rooms: { join: { '!r': { timeline: { events, ...more } } } } } });

  it('includes what a gap in the room kept out of /sync, as clients page back for it', async () => {
    const baseUrl = await start(
      () => sync([message('$first')]),
      () => sync([message('$after')], { limited: true, prev_batch: 'before-the-gap' }),
      (path) => ({ status: 200, body: { chunk: path.includes('from=before-the-gap') ? [message('$missed')] : [], end: 'further' } }),
      () => ({ status: 200, body: { chunk: [message('$first')], end: 'on' } }),
      () => sync([]),
    );
    watching = await watch(person(baseUrl), createTroubles());
    await until('what was left out', () => watching?.has('$missed') && watching.has('$after'));
  });

  it('goes on after answers that failed, and counts them', async () => {
    const troubles = createTroubles();
    const baseUrl = await start(() => sync([]), () => ({ status: 502, body: { errcode: 'M_UNKNOWN' } }), () => sync([message('$later')]), () => sync([]));
    watching = await watch(person(baseUrl), troubles);
    await until('what came later', () => watching?.has('$later'));
    expect([...troubles.all].map(([what, { times }]) => [what, times])).to.deep.equal([['/sync at St. Anne went wrong', 1]]);
  });
});

describe('Playing the plan of npm run federation', () => {
  const nobody = person('http://127.0.0.1:9');
  const steps = planOf({ events: 400, seed: 1, ways: ['client'] }).filter((step) => !step.allowed && typeof step.kind !== 'string');
  const all = (change: Partial<Play>): Play => ({
    seed: 1, lanes: 4, people: { bob: nobody, ben: nobody, ada: nobody, amy: nobody, eve: nobody, mallory: nobody }, rooms: [{ roomId: '!r', version: '12' }], dendrite: { absent: '' },
    forge: { place: () => Promise.reject(new Error()), make: () => Promise.reject(new Error()), ask: () => Promise.reject(new Error()), deliver: () => Promise.resolve([]), close: () => undefined },
    ledger: createLedger(), anchors: new Map(), watches: [], pace: { turn: () => Promise.resolve() }, signal: new AbortController().signal, progress: () => undefined, ...change,
  });

  it('counts servers that give no answer, and goes on', async () => {
    const playing = all({});
    await play(playing, steps.slice(0, 20));
    expect(playing.ledger.attempts.map(({ status }) => status)).to.deep.equal(new Array(20).fill(NO_ANSWER));
    expect(playing.ledger.troubles.all.get('St. Anne gave no answer to who sent an event')?.times).to.equal(20);
  });

  it('counts events that can\'t be tried, and ends only when a hundred in a row can\'t be', async () => {
    let turns = 0;
    const failing = (when: (turn: number) => boolean): Play => all({ pace: { turn: () => (when(turns++) ? Promise.reject(new Error('no turn')) : Promise.resolve()) } });
    const often = failing((turn) => turn % 50 !== 0);
    await play(often, steps);
    expect(often.ledger.troubles.all.get('an event could not be tried')?.times).to.be.greaterThan(100);
    const never = failing(() => true);
    expect(await play(never, steps).then(() => undefined, (error: unknown) => error)).to.be.instanceOf(Meaningless);
  });
});

describe('The pace of npm run federation', () => {
  it('waits while a hospital has much to take in for that room, and knows when so much waited that parts of it were thrown away', async () => {
    const folder = temporaryFolder('pace');
    const databaseFile = join(folder, 'homeserver.db');
    const database = new DatabaseSync(databaseFile);
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE federation_inbound_events_staging (room_id TEXT)');
    const pace = createPace([{ serverName: 'mercy', databaseFile }]);
    try {
      for (let event = 0; event < 120; event += 1) database.exec('INSERT INTO federation_inbound_events_staging VALUES (\'!full\')');
      await until('the full queue to be seen', () => pace.figures().longestQueue === 120);
      await pace.turn('!other');
      let isTurn = false;
      const turn = pace.turn('!full').then(() => { isTurn = true; });
      expect(isTurn).to.equal(false);
      database.exec('DELETE FROM federation_inbound_events_staging');
      await turn;
      expect(pace.overflows[0]).to.include({ server: 'mercy', roomId: '!full' });
      expect(pace.figures().heldBackMs).to.be.greaterThan(0);
    } finally {
      pace.close();
      database.close();
      removeFolder(folder);
    }
  });
});
