import { createServer, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { createHomeserver as forCourier, HomeserverError } from '../../src/adapters/crypto/homeserver.ts';
import { createHomeserver as forGuardian } from '../../src/adapters/matrix/homeserver.ts';
import { as, type EventId, type RoomId, type UserId } from '../../src/domain/brand.ts';
import { freePort } from '../support/ports.ts';

const PAGE = '<html><body>Blocked by the firewall</body></html>';
/** What something between Aceso and its homeserver may answer; the homeserver may have done what was asked, or not. */
const BROKEN = {
  'a page with 403': (response: ServerResponse) => response.writeHead(403, { 'content-type': 'text/html' }).end(PAGE),
  'a page with 404': (response: ServerResponse) => response.writeHead(404, { 'content-type': 'text/html' }).end(PAGE),
  'a page with 502': (response: ServerResponse) => response.writeHead(502, { 'content-type': 'text/html' }).end(PAGE),
  'nothing with 403, called JSON': (response: ServerResponse) => response.writeHead(403, { 'content-type': 'application/json' }).end(),
  'half an answer': (response: ServerResponse) => response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"event_id":', () => response.destroy()),
  'a reset': (response: ServerResponse) => response.socket?.resetAndDestroy(),
} as const;

describe('An answer that the homeserver never gave', () => {
  let url: string;
  let answer: (response: ServerResponse) => unknown = BROKEN['a reset'];
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });

  before(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  for (const [name, give] of Object.entries(BROKEN)) {
    it(`${name}: the courier doesn't take it for a refusal, so that the same ciphertext goes out again`, async () => {
      answer = give;
      const courier = forCourier({ homeserverUrl: url, asToken: 'token', userId: as<UserId>('@courier:mercy.example'), deviceId: 'COURIER' });
      const error = await courier.text({ method: 'PUT', path: 'client/v3/rooms/x/send/m.room.encrypted/1', body: '{}' }).then(() => undefined, (thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(HomeserverError);
      expect((error as HomeserverError).refused).to.equal(false);
    });

    it(`${name}: the guardian tries again`, async () => {
      answer = give;
      const guardian = forGuardian({ url, serverName: 'mercy.example', asToken: 'token', guardianLocalpart: 'guardian', courierLocalpart: 'courier', names: { guardian: 'Guardian', courier: 'Courier' } });
      const outcome = await guardian.redact(as<RoomId>('!room'), as<EventId>('$event'), 'txn', 'why');
      expect(outcome.ok ? outcome : { code: outcome.error.code, retry: outcome.error.retry }).to.deep.equal({ code: 'unavailable', retry: true });
    });
  }

  it('one whose body never ends is given up by the guardian, and nothing is left that keeps the process alive', async () => {
    answer = (response) => response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"event_id":');
    const guardian = forGuardian({ url, serverName: 'mercy.example', asToken: 'token', guardianLocalpart: 'guardian', courierLocalpart: 'courier', names: { guardian: 'Guardian', courier: 'Courier' }, timeoutMs: 150 });
    const timers = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    await new Promise(setImmediate); // The runner starts its own clock when the test first waits.
    const before = timers();
    const outcome = await guardian.redact(as<RoomId>('!room'), as<EventId>('$event'), 'txn', 'why');
    expect(outcome.ok ? outcome : outcome.error.code).to.equal('unavailable');
    expect(timers()).to.be.at.most(before);
  });

  it('what is too large for the way is refused by it', async () => {
    answer = (response) => response.writeHead(413, { 'content-type': 'text/html' }).end(PAGE);
    const courier = forCourier({ homeserverUrl: url, asToken: 'token', userId: as<UserId>('@courier:mercy.example'), deviceId: 'COURIER' });
    const error = await courier.text({ method: 'PUT', path: 'client/v3/rooms/x/send/m.room.encrypted/1', body: '{}' }).then(() => undefined, (thrown: unknown) => thrown);
    expect((error as HomeserverError).refused).to.equal(true);
  });
});
