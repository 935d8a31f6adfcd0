import { expect } from 'chai';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signerOf, type Signer } from '../../../src/adapters/federation/ed25519.ts';
import { eventIdOf, signableBytes, signedEvent } from '../../../src/adapters/federation/event.ts';
import { openServerKeys, rotateServerKeys } from '../../../src/adapters/federation/keyFile.ts';
import { createPolicyServer, type RunningPolicyServer } from '../../../src/adapters/federation/policyServer.ts';
import { isObjectSignedBy, signedBytes, type JsonObject } from '../../../src/adapters/federation/signedJson.ts';
import { publicKeyOf } from '../../../src/adapters/federation/ed25519.ts';
import { parseXMatrix, xMatrix } from '../../../src/adapters/federation/xMatrix.ts';
import { startHttpServer, type HttpServer } from '../../../src/adapters/http/server.ts';
import { as, type Millis, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import { fail, ok } from '../../../src/domain/outcome.ts';
import type { Writer } from '../../../src/domain/policy/admit.ts';
import type { AgreedTerms } from '../../../src/domain/policy/roomTerms.ts';
import type { HttpReply } from '../../../src/ports/bridge.ts';
import type { RoomEvent } from '../../../src/ports/homeserver.ts';
import { encryptedContent } from '../../support/megolm.ts';
import { until } from '../../support/until.ts';
import type { Standby } from '../../../src/domain/agreements/demands.ts';
import { keepers, standbyWith } from '../../support/agreements.ts';

const NAME = 'policy.mercy.example';
const ROOM = as<RoomId>(`!${'r'.repeat(43)}`);
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const ada = '@ada:stanne.example';
const servers = { 'mercy.example': signerOf(Buffer.alloc(32, 1)), 'stanne.example': signerOf(Buffer.alloc(32, 2)), 'evil.example': signerOf(Buffer.alloc(32, 3)) } as const;
type ServerName = keyof typeof servers;

describe('The policy server', () => {
  let folder: string;
  let notary: Server;
  let asked: string[];
  let published: (server: ServerName) => JsonObject;
  let server: RunningPolicyServer;
  let state: readonly RoomEvent[];
  let source: { state: () => Promise<ReturnType<typeof ok<readonly RoomEvent[]>> | ReturnType<typeof fail<'unavailable'>>>; reads: number };
  let answered: string[];
  let rooms: (RoomId | undefined)[];
  let clock: number;
  let agreed: readonly AgreedTerms[];
  let writer: Writer | 'unknown' | 'not-asked';
  let written: string[];
  let about: unknown;
  let notarySigner: Signer;
  let standbys: readonly Standby[];
  let keepersEver: readonly UserId[];
  let wanted: string[];
  let takes: 'taken' | 'too-many';

  const event = (type: string, content: RoomEvent['content'], key = '', sender: UserId = guardian): RoomEvent => ({ event_id: as(`$${type}${key}`), room_id: ROOM, sender, type, state_key: key, origin_server_ts: 1, content });
  const member = (userId: string, membership: string): RoomEvent => event('m.room.member', { membership }, userId, membership === 'invite' ? guardian : as<UserId>(userId));

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-policy-'));
    notarySigner = servers['mercy.example'];
    [asked, answered, rooms, clock, agreed, written] = [[], [], [], 1_800_000_000_000, [], []];
    writer = { roles: ['nurse'], verdict: { allowed: true, revision: 'r', rules: ['clinicians-in-clinical-rooms'], message: '', warnings: [] } };
    state = [event('m.room.create', { room_version: '12' }), event('org.aceso.template', { id: 'results' }), member(ada, 'join')];
    source = { reads: 0, state: async () => { source.reads += 1; return ok(state); } };
    published = (name) => keysOf(name, servers[name]);
    notary = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
      request.on('end', () => {
        asked.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`);
        const answer = request.url === '/_matrix/key/v2/server' ? published('mercy.example')
          : { server_keys: Object.keys((JSON.parse(body) as { readonly server_keys: object }).server_keys).map((name) => notarised(published(name as ServerName))) };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => { notary.listen(0, '127.0.0.1', resolve); });
    [standbys, keepersEver, wanted, takes] = [[], [], [], 'taken'];
    server = createPolicyServer({
      standbys: () => standbys, keepers: () => keepersEver, wanted: async (partner, roomId) => { wanted.push(`${partner} ${roomId}`); return takes; },
      serverName: NAME, delegate: `${NAME}:443`, displayName: 'Mercy (policy)', version: '0', localpart: 'policy', ownServer: 'mercy.example', federationUrl: `http://127.0.0.1:${(notary.address() as AddressInfo).port}`,
      guardian, courier: as('@aceso_courier:mercy.example'), servers: () => ['mercy.example', 'stanne.example'], own: () => ({ results: { reactions: ['👍'], removals: 'own' }, consult: { reactions: ['👍'], removals: 'own' } }), agreed: () => agreed, writer: async (userId, kind) => { written.push(`${userId} ${kind}`); return writer; },
      keys: openServerKeys(join(folder, 'keys.json')), source: { state: () => source.state(), event: async () => fail('not-found', 'none') }, now: () => as<Millis>(clock),
      failed: (error) => { throw error; }, refused: ({ code }) => { answered.push(code); }, answered: ({ verdict: { rules }, roomId, about: shown }) => { answered.push(rules.join(' ')); rooms.push(roomId); about = shown; },
    });
  });
  afterEach(async () => {
    server.close();
    await new Promise((resolve) => notary.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const keysOf = (name: ServerName, signer: Signer): JsonObject => signed({ server_name: name, valid_until_ts: clock + 86_400_000, verify_keys: { 'ed25519:a': { key: signer.publicKey } }, old_verify_keys: {} }, name, signer);
  const signed = (object: JsonObject, name: string, signer: Signer): JsonObject => ({ ...object, signatures: { ...(object['signatures'] as object | undefined), [name]: { 'ed25519:a': signer.sign(signedBytes(object)) } } });
  const notarised = (object: JsonObject): JsonObject => signed(object, 'mercy.example', notarySigner);
  const message = (content: JsonObject = encryptedContent(), change: JsonObject & { readonly sender?: string } = {}): JsonObject => {
    const event_ = { type: 'm.room.encrypted', room_id: ROOM, sender: ada, content, depth: 5, prev_events: [`$${'a'.repeat(43)}`], auth_events: [`$${'b'.repeat(43)}`], origin_server_ts: clock, ...change };
    const by = event_.sender.slice(event_.sender.indexOf(':') + 1) as ServerName;
    return signedEvent('12', event_, by, 'ed25519:a', servers[by]);
  };

  const withSignature = (more: JsonObject): JsonObject => { const pdu = message(); return { ...pdu, signatures: { ...(pdu['signatures'] as object), ...more } }; };

  type Call = { readonly origin?: ServerName; readonly destination?: string; readonly signer?: Signer; readonly headers?: Readonly<Record<string, string>>; readonly body?: JsonObject; readonly sent?: JsonObject };
  async function call(method: string, uri: string, { origin = 'stanne.example', destination = NAME, signer = servers[origin], headers, body, sent = body }: Call = {}): Promise<{ readonly status: number; readonly body: JsonObject }> {
    const url = new URL(uri, 'http://x');
    const authorization = xMatrix({ method, uri, ...(body === undefined ? {} : { content: body }) }, origin, destination, 'ed25519:a', signer);
    const admission = await server.route.admit({ method, path: url.pathname, uri, query: url.searchParams, headers: headers ?? { authorization }, peer: { address: '127.0.0.1' } });
    const reply: HttpReply = 'reply' in admission ? admission.reply : await admission.take(Buffer.from(sent === undefined ? '' : JSON.stringify(sent)));
    return { status: reply.status, body: JSON.parse(reply.body ?? '{}') as JsonObject };
  }
  const sign = (pdu: JsonObject, more: Omit<Call, 'body'> = {}): ReturnType<typeof call> => call('POST', '/_matrix/policy/v1/sign', { ...more, body: pdu });

  it('signs what may pass, so that the key in m.room.policy verifies it, on both paths', async () => {
    const pdu = message();
    for (const path of ['/_matrix/policy/v1/sign', '/_matrix/policy/unstable/org.matrix.msc4284/sign']) {
      const { status, body } = await call('POST', path, { body: pdu });
      expect(status, JSON.stringify(body)).to.equal(200);
      const key = publicKeyOf(server.publicKey);
      const { hashes, content: _, ...rest } = pdu;
      // What a homeserver verifies: the event as it is redacted, with our signature alone.
      expect(key && isObjectSignedBy({ ...rest, hashes, content: {}, signatures: body }, NAME, 'ed25519:policy_server', key)).to.equal(true);
    }
  });

  it('tells what was asked about, and since when the room is under it, without content', async () => {
    state = [...state, { ...event('m.room.policy', { via: NAME }), origin_server_ts: 5 }, { ...member(`@policy:${NAME}`, 'join'), origin_server_ts: 7 }];
    await sign(message({ body: 'K 6.8' }, { type: 'm.room.message' }));
    expect(about).to.deep.include({ sender: ada, type: 'm.room.message', sentAt: clock }).and.to.have.nested.property('room.guardedSince', 7);
  });

  it('takes a removal that says twice what it removes, as Dendrite writes it, and none that says two things', async () => {
    const target = `$${'t'.repeat(43)}`;
    server.heard([{ event_id: as(target), room_id: ROOM, sender: as(ada), type: 'm.room.encrypted', origin_server_ts: clock, content: {} }]);
    expect((await sign(message({ redacts: target, reason: '' }, { type: 'm.room.redaction', redacts: target }))).status).to.equal(200);
    expect((await sign(message({ redacts: target }, { type: 'm.room.redaction', redacts: 'K 6.8' }))).body).to.include({ 'org.aceso.rule': 'unknown-field' });
  });

  it('doesn\'t take for history what it only heard of: homeservers push what they refused, too', async () => {
    const pdu = message(undefined, { origin_server_ts: clock - 600_000 });
    server.heard([{ event_id: eventIdOf(signableBytes('12', pdu)), room_id: ROOM, sender: as(ada), type: 'm.room.encrypted', origin_server_ts: clock - 600_000, content: {} }]);
    expect((await sign(pdu)).body).to.include({ 'org.aceso.rule': 'clock-skew' });
  });

  it('refuses what may not, with what to do and the rule', async () => {
    const { status, body } = await sign(message({ body: 'K 6.8' }, { type: 'm.room.message' }));
    expect(status).to.equal(403);
    expect(body).to.include({ errcode: 'M_FORBIDDEN', 'org.aceso.rule': 'clear-text' });
    expect(body['error']).to.match(/encrypted messages only/u).and.not.to.include('K 6.8');
  });

  for (const [what, pdu] of [
    ['a content that was changed', () => ({ ...message(), content: encryptedContent() })],
    ['a content that was taken out', () => ({ ...message(), content: {} })],
  ] as const) it(`refuses ${what}: its signature would let the whole pass`, async () => expect((await sign(pdu())).body).to.include({ 'org.aceso.rule': 'content-hash' }));

  for (const [what, pdu, rule] of [
    ['no event', () => ({}), 'malformed'], ['no depth', () => (({ depth: _, ...rest }) => rest)(message()), 'malformed'],
    ['a sender who is none', () => ({ ...message(), sender: 'ada' }), 'malformed'], ['no room', () => (({ room_id: _, ...rest }) => rest)(message()), 'malformed'],
    ['another\'s signature', () => ({ ...message(), signatures: signedEvent('12', message(), 'stanne.example', 'ed25519:a', servers['evil.example'])['signatures'] }), 'bad-signature'],
    ['no signature', () => ({ ...message(), signatures: {} }), 'bad-signature'],
    ['words for an event before it', () => message(undefined, { prev_events: ['K 6.8'] }), 'malformed'],
    ['more events before it than there may be', () => message(undefined, { auth_events: Array.from({ length: 11 }, () => `$${'b'.repeat(43)}`) }), 'malformed'],
    ['words beside the hash', () => { const pdu = message(); return { ...pdu, hashes: { ...(pdu['hashes'] as object), note: 'K 6.8' } }; }, 'malformed'],
    ['words for a hash', () => ({ ...message(), hashes: { sha256: 'K 6.8' } }), 'malformed'],
    ['words for a server that signs', () => withSignature({ 'K 6.8': { 'ed25519:a': 'A'.repeat(86) } }), 'malformed'],
    ['words for a key', () => withSignature({ 'mercy.example': { 'ed25519:K 6.8': 'A'.repeat(86) } }), 'malformed'],
    ['words for a signature', () => withSignature({ 'mercy.example': { 'ed25519:a': 'K 6.8' } }), 'malformed'],
    ['words for a room', () => message(undefined, { room_id: '!Mr Quintana: K 6.8' }), 'malformed'],
    ['a room of more than 255 characters', () => message(undefined, { room_id: `!${'r'.repeat(300)}` }), 'malformed'],
    ['more than 64 KiB', () => message(undefined, { more: 'x'.repeat(66_000) }), 'oversized'],
    ['a server without an agreement', () => message(undefined, { sender: '@eve:evil.example' }), 'server-not-admitted'],
    ['a field of its own', () => message(undefined, { note: 'K 6.8' }), 'unknown-field'],
  ] as const) it(`answers 403 ${rule} to ${what}`, async () => { const { status, body } = await sign(pdu()); expect([status, body['org.aceso.rule']]).to.deep.equal([403, rule]); });

  it('refuses what the partner asks not to be done in rooms that both share, and says whose rule it is', async () => {
    agreed = [{ partner: 'stanne.example', whose: 'stanne.example', kinds: {} }];
    const { status, body } = await sign(message());
    expect(status).to.equal(403);
    expect(body).to.include({ errcode: 'M_FORBIDDEN', 'org.aceso.rule': 'kind-not-shared', 'org.aceso.rule_of': 'stanne.example' });
    expect(body['error']).to.include('By the rules of stanne.example');
  });

  it('asks the rules who may write only of members, and has it sent again where it can\'t be asked', async () => {
    await sign(message(undefined, { sender: '@nobody:stanne.example' }));
    expect(written).to.deep.equal([]);
    writer = 'unknown';
    expect((await sign(message())).body).to.include({ errcode: 'M_LIMIT_EXCEEDED', 'org.aceso.rule': 'sender-unknown' });
    expect(written).to.deep.equal([`${ada} results`]);
  });

  it('gives the same answer when it is asked again, also when the time for it is over', async () => {
    const [passing, refused] = [message(), message({ body: 'x' }, { type: 'm.room.message' })];
    const first = [await sign(passing), await sign(refused)];
    clock += 3_600_000;
    const again = [await sign(passing), await sign(refused)];
    expect(again[0]).to.deep.equal(first[0]);
    expect(again[1]?.status).to.equal(403);
    expect((await sign(message(undefined, { origin_server_ts: clock - 3_600_000 }))).body).to.include({ 'org.aceso.rule': 'clock-skew' });
  });

  it('doesn\'t sign the redacted form of state that became current though it was refused: that would let the whole pass', async () => {
    const whole = message({ membership: 'join', reason: 'K 6.8' }, { type: 'm.room.member', state_key: ada });
    const bare = { ...whole, content: { membership: 'join' } };
    state = [...state.filter(({ type }) => type !== 'm.room.member'), { ...member(ada, 'join'), event_id: eventIdOf(signableBytes('12', whole)) }];
    expect((await sign(whole)).body).to.include({ 'org.aceso.rule': 'reason' });
    expect((await sign(bare)).body).to.include({ 'org.aceso.rule': 'content-hash' });
  });

  it('asks the homeserver for a room once, and again when its state changed, or when somebody would be refused for what it holds', async () => {
    for (let count = 0; count < 3; count += 1) await sign(message());
    expect(source.reads).to.equal(1);
    server.heard([member('@bob:mercy.example', 'invite')]);
    await sign(message());
    expect(source.reads).to.equal(2);
    state = [...state, member('@cyd:stanne.example', 'invite')];
    expect((await sign(message(undefined, { sender: '@cyd:stanne.example' }))).status).to.equal(200);
    expect(source.reads).to.equal(3);
    await sign(message({ body: 'x' }, { type: 'm.room.message' }));
    expect(source.reads, 'a refusal for its content asks nobody').to.equal(3);
  });

  it('looks again after a moment for somebody whom the homeserver hasn\'t stored yet, and lets their message pass once it has', async () => {
    const cyd = '@cyd:stanne.example';
    source.state = async () => { source.reads += 1; return ok(source.reads < 3 ? state : [...state, member(cyd, 'join')]); };
    expect((await sign(message(undefined, { sender: cyd }))).status).to.equal(200);
    expect(source.reads).to.equal(3);
  });

  it('has a message sent again of whom the homeserver doesn\'t know, within a second, and never lets it pass', async () => {
    const began = performance.now();
    const { status, body } = await sign(message(undefined, { sender: '@cyd:stanne.example' }));
    expect([status, body['errcode'], body['org.aceso.rule']]).to.deep.equal([403, 'M_LIMIT_EXCEEDED', 'member-unknown']);
    expect(performance.now() - began).to.be.lessThan(1500);
  });

  it('refuses for good, without waiting, who has left by the homeserver\'s word', async () => {
    state = [...state, member('@cyd:stanne.example', 'leave')];
    expect((await sign(message(undefined, { sender: '@cyd:stanne.example' }))).body).to.include({ errcode: 'M_FORBIDDEN', 'org.aceso.rule': 'not-a-member' });
    expect(source.reads, 'and once more before that').to.equal(2);
  });

  it('refuses within a second when the homeserver doesn\'t answer, and says so', async () => {
    source.state = () => new Promise(() => undefined);
    const began = performance.now();
    const { status, body } = await sign(message());
    expect([status, body['errcode'], body['org.aceso.rule']]).to.deep.equal([403, 'M_LIMIT_EXCEEDED', 'too-slow']);
    expect(performance.now() - began).to.be.within(900, 2500);
  });

  it('takes more time for a server that has the event already: what isn\'t signed then it hides for ever', async () => {
    source.state = () => new Promise((resolve) => { setTimeout(() => resolve(ok(state)), 1300); });
    const pdu = message();
    const [sender, receiver] = await Promise.all([sign(pdu), sign(pdu, { origin: 'mercy.example' })]);
    expect(sender.body).to.include({ 'org.aceso.rule': 'too-slow' });
    expect(receiver.status, JSON.stringify(receiver.body)).to.equal(200);
  });

  it('refuses what is of a room that the homeserver doesn\'t show, and for a moment all that it can\'t be asked about', async () => {
    source.state = async () => fail('unavailable', 'none', { retry: false });
    expect((await sign(message())).body).to.include({ errcode: 'M_FORBIDDEN', 'org.aceso.rule': 'room-unknown' });
    source.state = async () => fail('unavailable', 'away', { retry: true });
    expect((await sign(message())).body).to.include({ errcode: 'M_LIMIT_EXCEEDED', 'org.aceso.rule': 'homeserver-away' });
    source.state = async () => ok(state);
    const pdu = message();
    expect((await sign(pdu)).status).to.equal(200);
    source.state = async () => fail('unavailable', 'away', { retry: true });
    expect((await sign(message())).status, 'what is in memory needs no homeserver').to.equal(200);
    expect((await sign(message(undefined, { sender: '@cyd:stanne.example' }))).body).to.include({ 'org.aceso.rule': 'homeserver-away' });
  });

  it('takes requests only from servers with an agreement that prove themselves, for itself, of what was signed', async () => {
    const pdu = message();
    const codes: readonly (readonly [string, Omit<Call, 'body'>, number])[] = [
      ['no credentials', { headers: {} }, 401], ['other credentials', { headers: { authorization: 'Bearer x' } }, 401], ['another key', { signer: servers['evil.example'] }, 401],
      ['another destination', { destination: 'other.example' }, 401], ['a stranger', { origin: 'evil.example' }, 403], ['another body', { sent: message() }, 401],
    ];
    for (const [what, more, status] of codes) expect((await sign(pdu, more)).status, what).to.equal(status);
    expect(answered).to.deep.equal(['no-credentials', 'no-credentials', 'bad-request-signature', 'wrong-destination', 'server-not-admitted', 'bad-request-signature']);
    expect(asked.filter((each) => each.includes('evil'))).to.deep.equal([]);
  });

  it('believes a partner\'s keys only with the signatures of the partner and of the homeserver', async () => {
    notarySigner = servers['evil.example'];
    expect((await sign(message())).status, 'not the homeserver\'s').to.equal(401);
    notarySigner = servers['mercy.example'];
    clock += 6000;
    published = (name) => { const keys = keysOf(name, servers[name]); return name === 'stanne.example' ? { ...keys, valid_until_ts: clock + 1 } : keys; };
    expect((await sign(message())).status, 'changed on the way').to.equal(401);
    clock += 6000;
    published = (name) => keysOf(name, servers[name]);
    expect((await sign(message())).status).to.equal(200);
  });

  it('doesn\'t let made-up key ids make it ask again and again', async () => {
    for (let count = 0; count < 20; count += 1) await sign(message(), { signer: servers['evil.example'] });
    await sign(message());
    expect(asked.filter((each) => each.startsWith('POST')).length, 'for the key, and for all').to.equal(2);
  });

  it('looks for nobody\'s keys but those of servers that may speak in the room', async () => {
    await sign(message(undefined, { sender: '@eve:evil.example' }));
    expect(asked.length, 'the asking server\'s').to.be.greaterThan(0);
    expect(asked.filter((each) => each.includes('evil'))).to.deep.equal([]);
  });

  it('refuses what is too large before it is hashed, or anybody is asked', async () => {
    expect((await sign(message({ a: 'x'.repeat(66_000) }))).body).to.include({ 'org.aceso.rule': 'oversized' });
    expect(source.reads).to.equal(0);
  });

  it('says no room for what can\'t be one, so that no words come into the log', async () => {
    await sign(message(undefined, { room_id: '!Mr Quintana: K 6.8' }));
    expect(rooms).to.deep.equal([undefined]);
  });

  it('judges so many at one time of one server, and of another beside them', async () => {
    await sign(message());
    let go = (): void => undefined;
    const waits = new Promise<void>((resolve) => { go = resolve; });
    source.state = async () => { await waits; return ok(state); };
    server.heard([member('@bob:mercy.example', 'invite')]);
    const many = Array.from({ length: 300 }, () => sign(message()));
    const tooMany = await Promise.race(many);
    expect(tooMany.body).to.include({ errcode: 'M_LIMIT_EXCEEDED', 'org.aceso.rule': 'too-slow' });
    const other = sign(message(undefined, { sender: guardian }), { origin: 'mercy.example' });
    go();
    expect((await other).status).to.equal(200);
    expect((await Promise.all(many)).filter(({ status }) => status === 200).length).to.equal(256);
  });

  it('verifies what it signed itself before its keys were changed', async () => {
    const keys = join(folder, 'keys.json');
    const before = openServerKeys(keys);
    rotateServerKeys(keys, 'signing', 5000);
    const after = openServerKeys(keys);
    expect(after.verifying(before.signingKeyId, 5000)?.export({ format: 'jwk' })).to.deep.equal(publicKeyOf(before.signing.publicKey)?.export({ format: 'jwk' }));
    expect(after.verifying(before.signingKeyId, 5001), 'it was over').to.equal(undefined);
    expect(after.verifying(after.signingKeyId, 6000)?.export({ format: 'jwk' })).to.deep.equal(publicKeyOf(after.signing.publicKey)?.export({ format: 'jwk' }));
    expect(after.verifying('ed25519:made_up', 1)).to.equal(undefined);
  });

  it('takes an invitation from its own homeserver\'s guardian alone, and signs it', async () => {
    const invitation = (change: JsonObject = {}, by: ServerName = 'mercy.example'): JsonObject => ({ room_version: '12', event: signedEvent('12', { type: 'm.room.member', room_id: ROOM, sender: guardian, state_key: server.userId, content: { membership: 'invite' }, depth: 5, prev_events: [], auth_events: [], origin_server_ts: clock, ...change }, by, 'ed25519:a', servers[by]), invite_room_state: [] });
    const uri = `/_matrix/federation/v2/invite/${encodeURIComponent(ROOM)}/${encodeURIComponent('$x')}`;
    const { status, body } = await call('PUT', uri, { origin: 'mercy.example', body: invitation() });
    expect(status, JSON.stringify(body)).to.equal(200);
    expect(body).to.have.nested.property(`event.signatures.policy\\.mercy\\.example`);
    for (const [origin, given] of [
      ['stanne.example', invitation()], ['mercy.example', invitation({ sender: ada }, 'stanne.example')], ['mercy.example', invitation({ state_key: '@other:policy.mercy.example' })],
      ['mercy.example', { ...invitation(), room_version: '1' }], ['mercy.example', { room_version: '12' }], ['mercy.example', invitation({ content: { membership: 'join' } })],
    ] as const) expect((await call('PUT', uri, { origin, body: given })).status).to.be.oneOf([400, 403]);
  });

  it('takes the invitation of a partner\'s guardian whom an agreement names, once it is written down that it stands by there', async () => {
    const theirs = as<UserId>('@g:stanne.example');
    const invitation = (sender: UserId = theirs, by: ServerName = 'stanne.example', room = '!theirs'): JsonObject => ({ room_version: '12', event: signedEvent('12', { type: 'm.room.member', room_id: room, sender, state_key: server.userId, content: { membership: 'invite' }, depth: 5, prev_events: [], auth_events: [], origin_server_ts: clock }, by, 'ed25519:a', servers[by]), invite_room_state: [] });
    const invited = async (body: JsonObject, origin: ServerName = 'stanne.example'): Promise<number> => (await call('PUT', '/_matrix/federation/v2/invite/x/y', { origin, body })).status;
    expect(await invited(invitation()), 'without an agreement that names it').to.equal(403);
    standbys = [standbyWith(keepers('mercy.example'), { ...keepers('stanne.example'), guardian: theirs })];
    expect([await invited(invitation(as<UserId>(ada))), await invited(invitation(theirs, 'mercy.example'), 'mercy.example'), await invited(invitation(), 'mercy.example')], 'anybody else, or by another server').to.deep.equal([403, 403, 403]);
    for (const what of ['#alias:stanne.example', '!Mr Quintana: K 6.8', `!${'r'.repeat(255)}`, `!${'ü'.repeat(128)}`]) expect(await invited(invitation(theirs, 'stanne.example', what)), 'what is no room').to.equal(403);
    expect(wanted).to.deep.equal([]);
    expect(await invited(invitation())).to.equal(200);
    expect(wanted).to.deep.equal(['stanne.example !theirs']);
    takes = 'too-many';
    expect((await call('PUT', '/_matrix/federation/v2/invite/x/y', { origin: 'stanne.example', body: invitation() })).body).to.include({ errcode: 'M_LIMIT_EXCEEDED' }).and.not.to.have.property('event');
  });

  it('lets no partner\'s guardian that stands by write, wherever it is a member', async () => {
    const theirs = as<UserId>('@g:stanne.example');
    state = [...state, member(theirs, 'join')];
    expect((await sign(message(undefined, { sender: theirs }))).status, 'whom no agreement names is anybody').to.equal(200);
    standbys = [standbyWith(keepers('mercy.example'), { ...keepers('stanne.example'), guardian: theirs })];
    expect((await sign(message(undefined, { sender: theirs, depth: 6 }))).body['org.aceso.rule']).to.equal('keepers-silent');
    [standbys, keepersEver] = [[], [theirs]];
    expect((await sign(message(undefined, { sender: theirs, depth: 7 }))).body['org.aceso.rule'], 'the agreement is over, and it is about to be taken out').to.equal('keepers-silent');
  });

  describe('in the room of a partner for whose policy server it stands by', () => {
    const theirs = { ...keepers('stanne.example'), guardian: as<UserId>('@g:stanne.example') };
    const bob = as<UserId>('@bob:mercy.example');
    const ann = as<UserId>(ada);
    const by = (sender: UserId, change: JsonObject = {}): JsonObject => message(encryptedContent(), { sender, ...change });
    const naming = (via: string): RoomEvent => event('m.room.policy', { via, public_keys: {} }, '', theirs.guardian);
    beforeEach(() => {
      standbys = [standbyWith({ ...keepers('mercy.example'), policyServer: { serverName: as(NAME), userId: server.userId, publicKey: server.publicKey } }, theirs)];
      const made = [event('m.room.create', { room_version: '12' }, '', theirs.guardian), event('org.aceso.template', { id: 'results' }, '', theirs.guardian), member(ada, 'join'), member(bob, 'join')];
      state = [...made, naming(NAME)];
    });

    it('signs what both let pass, once the room names it, and what their guardian says', async () => {
      for (const pdu of [by(bob), by(ann), by(theirs.guardian, { type: 'm.room.name', state_key: '', content: { name: 'x' } })]) expect((await sign(pdu)).status, JSON.stringify(answered)).to.equal(200);
      expect(written, 'their people\'s roles are theirs to look at').to.deep.equal([`${bob} results`]);
      for (const [sender, change, rule] of [[ann, { type: 'm.room.message', content: { body: 'x' } }, 'clear-text'], [guardian, { type: 'm.room.name', state_key: '', content: { name: 'x' } }, 'state-guardian-only'], [guardian, {}, 'keepers-silent'], [as<UserId>('@eve:mercy.example'), {}, 'member-unknown']] as const) {
        expect((await sign(by(sender, change))).body['org.aceso.rule']).to.equal(rule);
      }
    });

    it('holds everybody to what the two agreed', async () => {
      const react = (sender: UserId): JsonObject => by(sender, { type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: `$${'e'.repeat(43)}`, key: '👍' } } });
      const asks = (senders: readonly string[], reactions: readonly string[]): AgreedTerms['kinds'] => ({ results: { reactions, removals: 'own', senders } });
      agreed = [{ partner: 'stanne.example', whose: 'stanne.example', kinds: asks(['physician', 'partner-clinician'], ['✅']) }];
      for (const sender of [ann, bob]) expect((await sign(react(sender))).body).to.include({ 'org.aceso.rule': 'reaction-key', 'org.aceso.rule_of': 'stanne.example' });
      for (const sender of [ann, bob]) expect((await sign(by(sender))).status, JSON.stringify(answered)).to.equal(200);
      agreed = [{ partner: 'stanne.example', whose: 'mercy.example', kinds: asks(['physician'], ['👍']) }];
      expect((await sign(by(bob, { depth: 6 }))).body, 'its own people by the roles that it agreed to ask').to.include({ 'org.aceso.rule': 'sender-role' });
    });

    it('signs nothing as long as the room names another, or none: to be asked again in a moment', async () => {
      for (const others of [[naming('policy.stanne.example')], [naming('')], []]) {
        state = [...state.filter(({ type }) => type !== 'm.room.policy'), ...others];
        server.heard(state.slice(0, 1));
        for (const sender of [ann, bob, theirs.guardian]) expect((await sign(by(sender))).body).to.include({ 'org.aceso.rule': 'not-named', errcode: 'M_LIMIT_EXCEEDED' });
      }
    });

    it('signs nothing where no agreement says so any more', async () => {
      standbys = [];
      expect((await sign(by(bob))).body['org.aceso.rule']).to.equal('room-unknown');
    });
  });

  it('says how much of a body it takes before anybody has proven themselves, and keeps room for questions to sign', async () => {
    const admitted = (method: string, uri: string): { readonly maxBytes: number; readonly room: string | undefined } => {
      const admission = server.route.admit({ method, path: uri, uri, query: new URLSearchParams(), headers: { authorization: xMatrix({ method, uri }, 'stanne.example', NAME, 'ed25519:a', servers['stanne.example']) }, peer: { address: '127.0.0.1' } });
      if ('then' in admission || 'reply' in admission) throw new Error('not admitted');
      return { maxBytes: admission.maxBytes, room: admission.room?.name };
    };
    expect(admitted('POST', '/_matrix/policy/v1/sign')).to.deep.equal({ maxBytes: 128 * 1024, room: 'sign' });
    expect(admitted('PUT', '/_matrix/federation/v1/send/1')).to.deep.equal({ maxBytes: 4 * 1024 * 1024, room: 'other' });
    expect(admitted('PUT', '/_matrix/federation/v2/invite/x/y')).to.deep.equal({ maxBytes: 512 * 1024, room: 'other' });
  });

  it('looks at no body for whose request there is no key', async () => {
    published = (name) => keysOf(name, servers[name === 'stanne.example' ? 'evil.example' : name]);
    const uri = '/_matrix/policy/v1/sign';
    const admission = await server.route.admit({ method: 'POST', path: uri, uri, query: new URLSearchParams(), headers: { authorization: 'X-Matrix origin="stanne.example",key="ed25519:made_up",sig="x"' }, peer: { address: '127.0.0.1' } });
    if ('reply' in admission) throw new Error('not admitted');
    expect((await admission.take(Buffer.from('{'))).status, 'the body is no JSON').to.equal(401);
  });

  it('answers truly what its membership brings', async () => {
    expect((await call('GET', '/.well-known/matrix/server', { headers: {} })).body).to.deep.equal({ 'm.server': `${NAME}:443` });
    expect((await call('PUT', '/_matrix/federation/v1/send/1', { body: { pdus: [message()] } })).body).to.deep.equal({ pdus: {} });
    expect((await call('GET', `/_matrix/federation/v1/user/devices/${encodeURIComponent(server.userId)}`)).body).to.deep.equal({ user_id: server.userId, stream_id: 1, devices: [] });
    expect((await call('POST', '/_matrix/federation/v1/user/keys/query', { body: { device_keys: { [server.userId]: [] } } })).body).to.deep.equal({ device_keys: { [server.userId]: {} } });
    expect((await call('GET', `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(server.userId)}`)).body).to.deep.equal({ displayname: 'Mercy (policy)' });
    for (const [method, uri, status] of [
      ['GET', '/_matrix/federation/v1/event/x', 404], ['GET', '/_matrix/federation/v1/state_ids/x?event_id=y', 404], ['GET', '/_matrix/federation/v1/backfill/x?v=y&limit=5', 200],
      ['GET', '/_matrix/federation/v1/make_join/x/y?ver=12', 403], ['PUT', '/_matrix/federation/v2/send_join/x/y', 403], ['GET', '/_matrix/client/versions', 404],
    ] as const) expect((await call(method, uri)).status, uri).to.equal(status);
  });

  describe('at its door', () => {
    let door: HttpServer;
    beforeEach(async () => { door = await startHttpServer({ host: '127.0.0.1', port: 0, routes: [server.route], failed: (error) => { throw error; }, refused: ({ code }) => { answered.push(code); } }); });
    afterEach(() => door.stop(100));

    const SIGN = '/_matrix/policy/v1/sign';
    const authorization = (content: JsonObject): string => xMatrix({ method: 'POST', uri: SIGN, content }, 'stanne.example', NAME, 'ed25519:a', servers['stanne.example']);
    const ask = async (body: string, headers: Readonly<Record<string, string>>, { method = 'POST', uri = SIGN, signal }: { readonly method?: string; readonly uri?: string; readonly signal?: AbortSignal } = {}): Promise<readonly [number, unknown]> => {
      const response = await fetch(`http://127.0.0.1:${door.port}${uri}`, { method, headers, ...(method === 'GET' ? {} : { body }), ...(signal === undefined ? {} : { signal }) });
      const answer = (await response.json()) as JsonObject;
      return [response.status, answer['org.aceso.rule'] ?? answer['errcode'] ?? Object.keys(answer)[0]];
    };
    const question = (pdu: JsonObject, signal?: AbortSignal): ReturnType<typeof ask> => ask(JSON.stringify(pdu), { authorization: authorization(pdu) }, signal === undefined ? {} : { signal });

    it('signs what may pass, and says why it refuses the rest', async () => {
      expect(await question(message())).to.deep.equal([200, NAME]);
      expect(await question(message({ body: 'x' }, { type: 'm.room.message' }))).to.deep.equal([403, 'clear-text']);
    });

    it('takes no body of more than 128 KiB, none that is no JSON, and none without credentials', async () => {
      const proven = { authorization: authorization({}) };
      expect(await ask('x'.repeat(128 * 1024 + 1), proven)).to.deep.equal([413, 'M_TOO_LARGE']);
      for (const body of ['{', '[]', '"x"', '\u{feff}', '{"a":1}}']) expect(await ask(body, proven), body).to.deep.equal([400, 'M_NOT_JSON']);
      expect(await ask('{}', {})).to.deep.equal([401, 'M_UNAUTHORIZED']);
      expect(await ask('{}', { authorization: 'X-Matrix origin="evil.example",key="ed25519:a",sig="x"' })).to.deep.equal([403, 'M_FORBIDDEN']);
      expect(answered).to.deep.equal(['no-credentials', 'server-not-admitted']);
    });

    it('knows no other method there, and no path but those of its table', async () => {
      for (const [method, uri] of [['GET', SIGN], ['PUT', SIGN], ['POST', `${SIGN}/more`], ['POST', '/_matrix/policy/v2/sign'], ['POST', '/'], ['POST', `/${SIGN}`]] as const) {
        expect(await ask('{}', { authorization: authorization({}) }, { method, uri }), `${method} ${uri}`).to.deep.equal([404, 'M_UNRECOGNIZED']);
      }
      expect(new Set(answered)).to.deep.equal(new Set(['unrecognised']));
    });

    it('refuses at the deadline when a decision hangs, and goes on with others meanwhile', async () => {
      await question(message());
      const { state: before } = source;
      source.state = () => new Promise(() => undefined);
      const elsewhere = message(undefined, { room_id: `!${'s'.repeat(43)}` });
      const hanging = question(elsewhere);
      expect(await question(message())).to.deep.equal([200, NAME]);
      expect(await hanging).to.deep.equal([403, 'too-slow']);
      source.state = before;
    });

    it('goes on after an asker who went away without the answer', async () => {
      source.state = () => new Promise(() => undefined);
      const gone = new AbortController();
      const asking = question(message(), gone.signal).catch(() => 'gone');
      await until('the question to be judged', () => asked.length > 0);
      gone.abort();
      expect(await asking).to.equal('gone');
      await until('it to be refused all the same', () => answered.includes('too-slow'));
      source.state = async () => ok(state);
      server.heard([member('@bob:mercy.example', 'invite')]);
      expect(await question(message())).to.deep.equal([200, NAME]);
    });
  });
});

describe('The keys of a policy server', () => {
  let path: string;
  beforeEach(() => { path = join(mkdtempSync(join(tmpdir(), 'aceso-policy-keys-')), 'policy-server.json'); });
  afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }));

  it('are made at the first start for their owner alone, and stay', () => {
    const { signingKeyId, policy } = openServerKeys(path);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect([openServerKeys(path).signingKeyId, openServerKeys(path).policy.publicKey]).to.deep.equal([signingKeyId, policy.publicKey]);
  });

  it('are published signed, those of before among the old ones with when they ended', () => {
    const before = openServerKeys(path);
    rotateServerKeys(path, 'signing', 1000);
    const after = openServerKeys(path);
    const published = after.published('p.example', 2000);
    expect(published['verify_keys']).to.deep.equal({ [after.signingKeyId]: { key: after.signing.publicKey } });
    expect(published['old_verify_keys']).to.deep.equal({ [before.signingKeyId]: { key: before.signing.publicKey, expired_ts: 1000 } });
    const key = publicKeyOf(after.signing.publicKey);
    expect(key && isObjectSignedBy(published, 'p.example', after.signingKeyId, key)).to.equal(true);
    expect(after.policy.publicKey, 'what rooms name stays').to.equal(before.policy.publicKey);
    rotateServerKeys(path, 'policy', 3000);
    expect(openServerKeys(path).policy.publicKey).not.to.equal(before.policy.publicKey);
  });

  it('are refused when others can read them, or when they are damaged, without being told', () => {
    for (const [content, mode, says] of [['{}', 0o600, /is not a key file/u], ['{', 0o600, /not JSON/u], ['{}', 0o644, /others on this machine can read it/u]] as const) {
      writeFileSync(path, content, { mode });
      expect(() => openServerKeys(path)).to.throw(says);
      rmSync(path);
    }
  });
});

describe('X-Matrix', () => {
  for (const [header, expected] of [
    ['X-Matrix origin="a.example",destination="b.example",key="ed25519:1",sig="abc"', { origin: 'a.example', destination: 'b.example', key: 'ed25519:1', sig: 'abc' }],
    ['X-Matrix origin=a.example,key="ed25519:1",sig="ab+/c"', { origin: 'a.example', key: 'ed25519:1', sig: 'ab+/c' }],
    ['x-matrix ORIGIN="a.example:8448" , key="ed25519:1",sig="a\\"b"', { origin: 'a.example:8448', key: 'ed25519:1', sig: 'a"b' }],
    ['X-Matrix origin=a.example:8448,key=ed25519:1,sig=ab+/c=', { origin: 'a.example:8448', key: 'ed25519:1', sig: 'ab+/c=' }],
    ['X-Matrix origin="a.example",key="ed25519:1",sig="abc" and more', undefined], ['X-Matrix origin="a.example",key="ed25519:1",sig="abc', undefined], ['X-Matrix origin="a.example"', undefined], ['Bearer x', undefined], [undefined, undefined],
  ] as const) it(`of ${header ?? 'nothing'} is read as ${JSON.stringify(expected)}`, () => expect(parseXMatrix(header)).to.deep.equal(expected));

  it('is read in one go, whatever is in it, and not at all when it is longer than any', () => {
    const began = performance.now();
    for (const hostile of [`X-Matrix ${'a'.repeat(16_000)}`, `X-Matrix ${'a=b,'.repeat(4000)}`, `X-Matrix ${'a'.repeat(2000)}`, `X-Matrix a="${'\\\\'.repeat(900)}`]) for (let count = 0; count < 200; count += 1) expect(parseXMatrix(hostile)).to.equal(undefined);
    expect(performance.now() - began).to.be.lessThan(1000);
    const long = `X-Matrix origin="a.example",key="ed25519:1",sig="abc",more="${'x'.repeat(2048)}"`;
    expect(parseXMatrix(long)).to.equal(undefined);
  });
});
