import { expect } from 'chai';
import { createAppserviceRoutes } from '../../src/adapters/matrix/appservice.ts';
import { createRegistration } from '../../src/adapters/matrix/registration.ts';
import type { HttpReply } from '../../src/ports/bridge.ts';
import type { MatrixTransaction } from '../../src/ports/homeserver.ts';

const event = { event_id: '$1', room_id: '!r', sender: '@a:x', type: 'm.reaction', origin_server_ts: 1, content: {} };
const receipt = { type: 'm.receipt', room_id: '!r', content: { $1: { 'm.read': { '@a:x': { ts: 5 } }, 'm.read.private': { '@b:x': { ts: 6 } } } } };

async function call(method: string, path: string, { token = 'right', body = '{}', take = async () => undefined }: { readonly token?: string | null; readonly body?: string; readonly take?: (transaction: MatrixTransaction) => Promise<void> } = {}): Promise<HttpReply> {
  const route = createAppserviceRoutes({ hsToken: 'right', take, isOurs: (name) => name === '@aceso_guardian:x', failed: () => undefined });
  const admission = await route.admit({ method, path, query: new URLSearchParams(), headers: token === null ? {} : { authorization: `Bearer ${token}` }, peer: { address: '127.0.0.1' } });
  return 'reply' in admission ? admission.reply : admission.take(new TextEncoder().encode(body));
}

const CASES: readonly (readonly [given: string, call: () => Promise<HttpReply>, status: number])[] = [
  ['no token', () => call('PUT', '/_matrix/app/v1/transactions/1', { token: null }), 401],
  ['a wrong token, before the body is read', () => call('PUT', '/_matrix/app/v1/transactions/1', { token: 'wrong' }), 403],
  ['the right token with something behind it', () => call('PUT', '/_matrix/app/v1/transactions/1', { token: 'right ' + 'x' }), 403],
  ['a transaction', () => call('PUT', '/_matrix/app/v1/transactions/1', { body: JSON.stringify({ events: [event] }) }), 200],
  ['a transaction that can\'t be stored: the homeserver sends it again', () => call('PUT', '/_matrix/app/v1/transactions/1', { body: JSON.stringify({ events: [event] }), take: async () => { throw new Error('disk full'); } }), 503],
  ['a body that is no JSON', () => call('PUT', '/_matrix/app/v1/transactions/1', { body: '{' }), 400],
  ['a body without events', () => call('PUT', '/_matrix/app/v1/transactions/1', { body: '{"events":7}' }), 400],
  ['a transaction without an id', () => call('PUT', '/_matrix/app/v1/transactions/', { body: '{"events":[]}' }), 404],
  ['ping', () => call('POST', '/_matrix/app/v1/ping', { body: '{"transaction_id":"x"}' }), 200],
  ['one of our users', () => call('GET', '/_matrix/app/v1/users/%40aceso_guardian%3Ax'), 200],
  ['a user that isn\'t ours', () => call('GET', '/_matrix/app/v1/users/%40aceso_nobody%3Ax'), 404],
  ['a path cut short in an escape', () => call('GET', '/_matrix/app/v1/users/%4'), 404],
  ['something else', () => call('GET', '/thirdparty/protocol/x'), 404],
];

describe('The application service routes (application service API v1)', () => {
  for (const [given, run, status] of CASES) it(`${given}: ${status}`, async () => expect((await run()).status).to.equal(status));

  it('take the events and public receipts of a transaction, and leave what has no shape', async () => {
    const taken: MatrixTransaction[] = [];
    await call('PUT', '/_matrix/app/v1/transactions/1', { body: JSON.stringify({ events: [event, 7, { ...event, content: null }, null], ephemeral: [receipt, { type: 'm.typing' }, 'x'] }), take: async (transaction) => { taken.push(transaction); } });
    expect(taken).to.deep.equal([{ events: [event], ephemeral: [{ room_id: '!r', receipts: [{ eventId: '$1', userId: '@a:x', at: 5 }] }] }]);
  });
});

describe('A registration', () => {
  it('has what Aceso needs of the homeserver, and names with dots match themselves alone', () => {
    const { content, asToken, hsToken } = createRegistration({ id: 'aceso', url: 'http://127.0.0.1:9100', prefix: 'aceso_', guardianLocalpart: 'aceso_guardian', serverName: 'mercy.example' });
    expect(content).to.deep.include({ rate_limited: false, receive_ephemeral: true, 'io.element.msc4190': true, sender_localpart: 'aceso_guardian', as_token: asToken, hs_token: hsToken });
    const regex = (content as { readonly namespaces: { readonly users: readonly { readonly regex: string; readonly exclusive: boolean }[] } }).namespaces.users[0];
    expect(regex?.exclusive).to.equal(true);
    expect(new RegExp(`^${regex?.regex ?? ''}$`, 'u').test('@aceso_courier:mercyXexample')).to.equal(false);
    expect(new RegExp(`^${regex?.regex ?? ''}$`, 'u').test('@aceso_courier:mercy.example')).to.equal(true);
    expect(asToken).not.to.equal(hsToken);
  });
});
