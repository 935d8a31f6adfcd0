import { createServer } from 'node:http';
import { expect } from 'chai';
import { createHomeserver } from '../../src/adapters/matrix/homeserver.ts';
import { as, type RoomId, type UserId } from '../../src/domain/brand.ts';
import { freePort } from '../support/ports.ts';

type Profile = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

describe('An invitation that our homeserver can\'t bring to a partner\'s server', () => {
  let url: string;
  let profile: Profile;
  const server = createServer((request, response) => {
    const { status, body } = request.url?.includes('/profile/') ? profile : request.method === 'GET' ? { status: 404, body: { errcode: 'M_NOT_FOUND' } } : { status: 502, body: { errcode: 'M_UNKNOWN' } };
    request.resume().on('end', () => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
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

  for (const { what, answer, is } of [
    { what: 'knows the profile', answer: { status: 200, body: { displayname: 'Ada' } }, is: 'limited' },
    { what: 'says that there is no such profile', answer: { status: 404, body: { errcode: 'M_NOT_FOUND' } }, is: 'limited' },
    { what: 'doesn\'t know the person, as Synapse passes it on', answer: { status: 404, body: { errcode: 'M_UNKNOWN' } }, is: 'limited' },
    { what: 'tells nobody', answer: { status: 403, body: { errcode: 'M_FORBIDDEN' } }, is: 'limited' },
    { what: 'is away', answer: { status: 502, body: { errcode: 'M_UNKNOWN' } }, is: 'unavailable' },
    { what: 'may not be there: something on the way answers without a Matrix error', answer: { status: 404, body: {} }, is: 'unavailable' },
  ] as const) it(`is ${is} when that server ${what}`, async () => {
    profile = answer;
    const guardian = createHomeserver({ url, serverName: 'mercy.example', asToken: 'token', guardianLocalpart: 'guardian', courierLocalpart: 'courier', names: { guardian: 'Guardian', courier: 'Courier' } });
    const invited = await guardian.invite(as<RoomId>('!room'), as<UserId>('@ada:partner.example'));
    expect(invited.ok ? invited : { code: invited.error.code, retry: invited.error.retry }).to.deep.equal({ code: is, retry: true });
  });
});
