/**
 * What Aceso needs of a homeserver, as the Matrix client-server API and the application service API say it: run on Synapse, and on the stub
 * that stands for it where thousands of rooms are needed.
 */
import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Session } from '../../support/lab.ts';
import { forgeDevice, forgeIdentity, forgeOlm, forgeSession, type ForgedDevice } from '../../support/stub/forge.ts';
import type { Json } from '../../support/stub/signing.ts';
import { until } from '../../support/until.ts';
import { openSubject, type As, type Subject } from './subject.ts';

const e = encodeURIComponent;
const record = (value: unknown): Record<string, unknown> => value as Record<string, unknown>;

for (const kind of ['Synapse', 'the stub'] as const) {
  describe(`The homeserver's contract on ${kind}`, function () {
    this.timeout(60_000);
    let subject: Subject;
    let guardian: { readonly user: string };
    let courier: { readonly user: string; readonly device: string };
    let device: ForgedDevice;
    let reader: Session;

    const name = (part: string): string => `${part}${randomUUID().slice(0, 8)}`;
    const ours = (localpart: string): string => `@${subject.slot.prefix}${localpart}:${subject.serverName}`;
    const register = (localpart: string): ReturnType<Subject['call']> => subject.call({ token: subject.slot.asToken }, 'POST', '/register', { type: 'm.login.application_service', username: `${subject.slot.prefix}${localpart}`, inhibit_login: true });
    const refusal = ({ status, body }: { readonly status: number; readonly body: Json }): string => `${status} ${String(body['errcode'])}`;
    const ok = async (answer: ReturnType<Subject['call']>): Promise<Record<string, unknown>> => {
      const { status, body } = await answer;
      expect(status, JSON.stringify(body)).to.equal(200);
      return body;
    };
    const room = async (more: Json = {}): Promise<string> => String((await ok(subject.call(guardian, 'POST', '/createRoom', { preset: 'private_chat', ...more })))['room_id']);
    const inRoom = async (): Promise<string> => {
      const roomId = await room({ invite: [courier.user] });
      await ok(subject.call(courier, 'POST', `/join/${e(roomId)}`, {}));
      return roomId;
    };
    const invite = (roomId: string, userId: string): ReturnType<Subject['call']> => subject.call(guardian, 'POST', `/rooms/${e(roomId)}/invite`, { user_id: userId });
    const sync = (as: As, since?: unknown, timeout = 0): Promise<Record<string, unknown>> => ok(subject.call(as, 'GET', '/sync', undefined, { timeout: String(timeout), ...(typeof since === 'string' ? { since } : {}) }));
    /** The place in the stream that is now: Synapse gives the same first sync for two minutes. */
    const now = async (as: As): Promise<unknown> => {
      let { next_batch: at } = await sync(as);
      for (;;) {
        const { next_batch: next } = await sync(as, at);
        if (next === at) return at;
        at = next;
      }
    };
    const newReader = async (): Promise<Session> => {
      const user = name('reader');
      await subject.register(user, 'pw');
      return subject.login(user, 'pw');
    };

    before(async () => {
      subject = await openSubject(kind);
      await register('guardian');
      guardian = { user: ours('guardian') };
      const localpart = name('courier');
      await ok(register(localpart));
      courier = { user: ours(localpart), device: 'COURIER' };
      expect((await subject.call({ user: courier.user }, 'PUT', '/devices/COURIER', { display_name: 'courier' })).status).to.equal(201);
      device = forgeDevice(courier.user, 'COURIER');
      await ok(subject.call(courier, 'POST', '/keys/upload', { device_keys: device.deviceKeys }));
      reader = await newReader();
    });
    after(async () => {
      await subject.stop();
      expect(subject.complaints).to.deep.equal([]);
    });

    describe('users and devices of the application service', () => {
      it('registers a user of its namespace once, and no other', async () => {
        const localpart = name('new');
        expect(await ok(register(localpart))).to.include({ user_id: ours(localpart) });
        expect(refusal(await register(localpart))).to.equal('400 M_USER_IN_USE');
        expect(refusal(await subject.call({ token: subject.slot.asToken }, 'POST', '/register', { type: 'm.login.application_service', username: name('stranger'), inhibit_login: true }))).to.equal('400 M_EXCLUSIVE');
      });
      it('refuses a missing token, an unknown one, a user who is not ours, and one who was never registered', async () => {
        const whoami = async (as: As): Promise<string> => refusal(await subject.call(as, 'GET', '/account/whoami'));
        expect(await whoami('nobody')).to.equal('401 M_MISSING_TOKEN');
        expect(await whoami({ token: 'nonsense' })).to.equal('401 M_UNKNOWN_TOKEN');
        expect(await whoami({ user: `@somebody:${subject.serverName}` })).to.equal('403 M_FORBIDDEN');
        expect(await whoami({ user: ours('never') })).to.equal('403 M_FORBIDDEN');
      });
      it('makes a device, again without harm, and refuses one that is not there', async () => {
        expect((await subject.call({ user: courier.user }, 'PUT', '/devices/COURIER', { display_name: 'courier' })).status).to.equal(200);
        const { devices } = await ok(subject.call({ user: courier.user }, 'GET', '/devices'));
        expect((devices as readonly Json[]).map(({ device_id: id }) => id)).to.deep.equal(['COURIER']);
        expect(refusal(await subject.call({ user: courier.user, device: 'NOWHERE' }, 'POST', '/keys/upload', {}))).to.equal('400 M_UNKNOWN_DEVICE');
      });
      it('shows a name that was given', async () => {
        await ok(subject.call(guardian, 'PUT', `/profile/${e(guardian.user)}/displayname`, { displayname: 'The guardian' }));
        expect(await ok(subject.call(guardian, 'GET', `/profile/${e(guardian.user)}`))).to.include({ displayname: 'The guardian' });
        expect((await subject.call(guardian, 'GET', `/profile/${e(`@nobody:${subject.serverName}`)}`)).status).to.equal(404);
      });
    });

    describe('keys', () => {
      it('gives the keys of a device to who asks, and nothing for who has none', async () => {
        const { device_keys: keys } = await ok(subject.call(reader, 'POST', '/keys/query', { device_keys: { [courier.user]: [], [`@nobody:${subject.serverName}`]: [] } }));
        expect(record(record(record(keys)[courier.user])['COURIER'])).to.deep.include({ keys: device.deviceKeys['keys'], signatures: device.deviceKeys['signatures'] });
        expect(Object.keys(record(record(keys)[`@nobody:${subject.serverName}`] ?? {}))).to.deep.equal([]);
      });
      it('counts one-time keys, gives each once, then the fallback key again and again, and says that it was used', async () => {
        const id = 'KEYS';
        const user = { user: courier.user, device: id };
        await subject.call({ user: courier.user }, 'PUT', `/devices/${id}`, {});
        const own = forgeDevice(courier.user, id);
        const [first, second, fallback] = [own.oneTimeKey(), own.oneTimeKey(), own.oneTimeKey({ fallback: true })];
        const { one_time_key_counts: counts } = await ok(subject.call(user, 'POST', '/keys/upload', { device_keys: own.deviceKeys, one_time_keys: { ...first, ...second }, fallback_keys: fallback }));
        expect(record(counts)['signed_curve25519']).to.equal(2);
        const since = await now(user);
        expect((await sync(user, since))['device_unused_fallback_key_types']).to.deep.equal(['signed_curve25519']);
        const claim = async (): Promise<unknown> => record(record(record(await ok(subject.call(reader, 'POST', '/keys/claim', { one_time_keys: { [courier.user]: { [id]: 'signed_curve25519' } } })))['one_time_keys'])[courier.user])[id];
        const given = [await claim(), await claim()];
        expect(given).to.have.deep.members([first, second]);
        expect([await claim(), await claim()]).to.deep.equal([fallback, fallback]);
        const after = await sync(user, since);
        expect(after['device_one_time_keys_count']).to.deep.equal({ signed_curve25519: 0 });
        expect(after['device_unused_fallback_key_types']).to.deep.equal([]);
      });
      it('refuses another one-time key under a known name, and takes the same one again', async () => {
        const key = device.oneTimeKey();
        const [id = ''] = Object.keys(key);
        const other = Object.values(device.oneTimeKey())[0];
        await ok(subject.call(courier, 'POST', '/keys/upload', { one_time_keys: key }));
        await ok(subject.call(courier, 'POST', '/keys/upload', { one_time_keys: key }));
        expect((await subject.call(courier, 'POST', '/keys/upload', { one_time_keys: { [id]: other } })).status).to.equal(400);
      });
      it('publishes a cross-signing identity without a question, and the signature of a device', async () => {
        const identity = forgeIdentity(courier.user);
        await ok(subject.call(courier, 'POST', '/keys/device_signing/upload', { master_key: identity.master, self_signing_key: identity.selfSigning, user_signing_key: identity.userSigning }));
        expect((await ok(subject.call(courier, 'POST', '/keys/signatures/upload', { [courier.user]: { COURIER: identity.sign(device.deviceKeys) } })))['failures']).to.deep.equal({});
        const forged = forgeIdentity(courier.user).sign(device.deviceKeys);
        expect(record((await ok(subject.call(courier, 'POST', '/keys/signatures/upload', { [courier.user]: { COURIER: forged } })))['failures'])).to.have.property(courier.user);
        const answer = await ok(subject.call(reader, 'POST', '/keys/query', { device_keys: { [courier.user]: [] } }));
        expect(record(record(answer['master_keys'])[courier.user])['keys']).to.deep.equal(identity.master['keys']);
        expect(Object.keys(record(record(record(record(record(answer['device_keys'])[courier.user])['COURIER'])['signatures'])[courier.user]))).to.have.length(2);
        expect(answer['user_signing_keys']).to.deep.equal({});
      });
    });

    describe('messages to devices, and what a sync tells', () => {
      it('brings a message to the device once it syncs, keeps it until that is acknowledged, and never twice for one transaction', async () => {
        const own = forgeDevice(reader.userId, reader.deviceId);
        const key = own.oneTimeKey();
        await ok(subject.call(reader, 'POST', '/keys/upload', { device_keys: own.deviceKeys, one_time_keys: key }));
        const claimed = record(record(record(await ok(subject.call(courier, 'POST', '/keys/claim', { one_time_keys: { [reader.userId]: { [reader.deviceId]: 'signed_curve25519' } } })))['one_time_keys'])[reader.userId])[reader.deviceId];
        const olm = forgeOlm(device, own.curveKey, String(record(Object.values(record(claimed))[0])['key']));
        const since = await now(reader);
        const messages = { messages: { [reader.userId]: { [reader.deviceId]: olm } } };
        for (const _ of [1, 2]) await ok(subject.call(courier, 'PUT', '/sendToDevice/m.room.encrypted/t1', messages));
        const first = await sync(reader, since, 5000);
        const second = await sync(reader, since);
        expect(record(first['to_device'])['events']).to.deep.equal([{ type: 'm.room.encrypted', sender: courier.user, content: olm }]);
        expect(record(second['to_device'])['events']).to.deep.equal(record(first['to_device'])['events']);
        expect(record(record(await sync(reader, first['next_batch']))['to_device'] ?? { events: [] })['events']).to.deep.equal([]);
      });
      it('tells of changed devices of those with whom a room is shared, and of those with whom none is any more', async () => {
        const other = await newReader();
        const roomId = await inRoom();
        let since = await now(courier);
        const lists = async (list: 'changed' | 'left'): Promise<readonly string[]> => until(`${list} to be told`, async () => {
          const answer = await sync(courier, since, 2000);
          since = answer['next_batch'];
          const found = (record(answer['device_lists'] ?? {})[list] ?? []) as readonly string[];
          return found.includes(other.userId) && found;
        });
        await ok(invite(roomId, other.userId));
        await ok(subject.call(other, 'POST', `/join/${e(roomId)}`, {}));
        expect(await lists('changed')).to.include(other.userId);
        await ok(subject.call(other, 'POST', '/keys/upload', { device_keys: forgeDevice(other.userId, other.deviceId).deviceKeys }));
        expect(await lists('changed')).to.include(other.userId);
        await ok(subject.call(other, 'POST', `/rooms/${e(roomId)}/leave`, {}));
        expect(await lists('left')).to.include(other.userId);
      });
      it('gives, filtered to members, who is in the rooms, and who came since', async () => {
        const filter = JSON.stringify({ room: { state: { types: ['m.room.member'] }, timeline: { types: ['m.room.member'], limit: 20 } } });
        const roomId = await inRoom();
        const memberIn = (answer: Record<string, unknown>): readonly unknown[] => {
          const joined = record(record(record(answer['rooms'] ?? {})['join'] ?? {})[roomId] ?? {});
          return [...((record(joined['state'] ?? {})['events'] ?? []) as readonly Json[]), ...((record(joined['timeline'] ?? {})['events'] ?? []) as readonly Json[])].map(({ state_key: key, type }) => `${String(type)} ${String(key)}`);
        };
        const first = await ok(subject.call(courier, 'GET', '/sync', undefined, { filter, timeout: '0' }));
        expect(memberIn(first)).to.include.members([`m.room.member ${courier.user}`, `m.room.member ${guardian.user}`]);
        await ok(invite(roomId, reader.userId));
        const next = await ok(subject.call(courier, 'GET', '/sync', undefined, { filter, timeout: '5000', since: String(first['next_batch']) }));
        expect(memberIn(next)).to.deep.equal([`m.room.member ${reader.userId}`]);
      });
      it('answers a long poll when its time is over', async () => {
        const since = await now(reader);
        const started = performance.now();
        await sync(reader, since, 300);
        expect(performance.now() - started).to.be.greaterThan(200);
      });
    });

    describe('rooms', () => {
      it('makes one as it is asked for, once for each alias', async () => {
        const alias = name(subject.slot.prefix);
        const wanted = { room_alias_name: alias, room_version: '11', name: 'Results', topic: 'Opaque', creation_content: { 'm.federate': false }, initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }, { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'invited' } }], power_level_content_override: { users: { [guardian.user]: 100 }, events_default: 100 } };
        const roomId = await room(wanted);
        expect(refusal(await subject.call(guardian, 'POST', '/createRoom', { preset: 'private_chat', ...wanted }))).to.equal('400 M_ROOM_IN_USE');
        expect(await ok(subject.call(guardian, 'GET', `/directory/room/${e(`#${alias}:${subject.serverName}`)}`))).to.include({ room_id: roomId });
        const state = JSON.parse(String((await ok(subject.call(guardian, 'GET', `/rooms/${e(roomId)}/state`)))['text'])) as readonly Json[];
        const content = (type: string): unknown => state.find((event) => event['type'] === type && event['state_key'] === '')?.['content'];
        expect(content('m.room.create')).to.deep.include({ room_version: '11', 'm.federate': false });
        expect(content('m.room.power_levels')).to.deep.include({ events_default: 100, state_default: 50, users: { [guardian.user]: 100 } });
        expect(content('m.room.name')).to.deep.equal({ name: 'Results' });
        expect(content('m.room.topic')).to.deep.include({ topic: 'Opaque' });
        expect(content('m.room.encryption')).to.deep.equal({ algorithm: 'm.megolm.v1.aes-sha2' });
        expect(content('m.room.history_visibility')).to.deep.equal({ history_visibility: 'invited' });
        expect(content('m.room.join_rules')).to.deep.equal({ join_rule: 'invite' });
        expect(content('m.room.canonical_alias')).to.deep.equal({ alias: `#${alias}:${subject.serverName}` });
        await ok(subject.call(guardian, 'DELETE', `/directory/room/${e(`#${alias}:${subject.serverName}`)}`));
        expect(refusal(await subject.call(guardian, 'GET', `/directory/room/${e(`#${alias}:${subject.serverName}`)}`))).to.equal('404 M_NOT_FOUND');
      });
      it('refuses a creator among the power levels of version 12', async () => {
        const { status } = await subject.call(guardian, 'POST', '/createRoom', { room_version: '12', power_level_content_override: { users: { [guardian.user]: 100 } } });
        expect(status).to.equal(400);
      });
      it('invites, lets join, and refuses both to who may not', async () => {
        const roomId = await room();
        const other = await newReader();
        expect(refusal(await subject.call(other, 'POST', `/join/${e(roomId)}`, {}))).to.equal('403 M_FORBIDDEN');
        expect(refusal(await subject.call(guardian, 'GET', `/rooms/${e(roomId)}/state/m.room.member/${e(other.userId)}`))).to.equal('404 M_NOT_FOUND');
        await ok(invite(roomId, other.userId));
        expect(await ok(subject.call(guardian, 'GET', `/rooms/${e(roomId)}/state/m.room.member/${e(other.userId)}`))).to.include({ membership: 'invite' });
        await ok(subject.call(other, 'POST', `/join/${e(roomId)}`, {}));
        expect(await ok(subject.call(other, 'POST', `/join/${e(roomId)}`, {}))).to.include({ room_id: roomId });
        expect(refusal(await invite(roomId, other.userId))).to.equal('403 M_FORBIDDEN');
      });
      it('shows nothing of a room to who is not in it', async () => {
        const roomId = await room();
        for (const [path, query] of [['state', {}], ['state/m.room.name', {}], ['messages', { dir: 'b' }]] as const) expect((await subject.call(reader, 'GET', `/rooms/${e(roomId)}/${path}`, undefined, query)).status, path).to.equal(403);
      });
      it('lets members send what their power allows', async () => {
        const roomId = await room({ invite: [courier.user], power_level_content_override: { events_default: 100, events: { 'm.room.encrypted': 0 } } });
        await ok(subject.call(courier, 'POST', `/join/${e(roomId)}`, {}));
        await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/t1`, forgeSession(device).next()));
        expect(refusal(await subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.message/t2`, { msgtype: 'm.text', body: 'clear' }))).to.equal('403 M_FORBIDDEN');
        expect(refusal(await subject.call(courier, 'PUT', `/rooms/${e(roomId)}/state/m.room.name`, { name: 'mine' }))).to.equal('403 M_FORBIDDEN');
        await ok(subject.call(guardian, 'PUT', `/rooms/${e(roomId)}/state/m.room.name`, { name: 'Changed' }));
        expect(await ok(subject.call(guardian, 'GET', `/rooms/${e(roomId)}/state/m.room.name`))).to.deep.equal({ name: 'Changed' });
      });
      it('makes one event of one transaction of one device, however often it is sent', async () => {
        const roomId = await inRoom();
        const session = forgeSession(device);
        const [first, second] = [session.next(), session.next()];
        const send = async (txn: string, content: Json): Promise<unknown> => (await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/${e(txn)}`, content)))['event_id'];
        const eventId = await send('send:1/a', first);
        expect(await send('send:1/a', first)).to.equal(eventId);
        expect(await Promise.all([send('b', second), send('b', second)]).then(([a, b]) => a === b)).to.equal(true);
        const { chunk } = await ok(subject.call(courier, 'GET', `/rooms/${e(roomId)}/messages`, undefined, { dir: 'b', limit: '10', filter: JSON.stringify({ types: ['m.room.encrypted'], senders: [courier.user] }) }));
        expect((chunk as readonly Json[]).map(({ content }) => content)).to.deep.equal([second, first]);
      });
      it('gives an event by its id, and refuses one too large', async () => {
        const roomId = await inRoom();
        const content = forgeSession(device).next();
        const { event_id: eventId } = await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/one`, content));
        expect(await ok(subject.call(guardian, 'GET', `/rooms/${e(roomId)}/event/${e(String(eventId))}`))).to.deep.include({ type: 'm.room.encrypted', sender: courier.user, event_id: eventId, content });
        expect(refusal(await subject.call(guardian, 'GET', `/rooms/${e(roomId)}/event/${e('$nothing')}`))).to.equal('404 M_NOT_FOUND');
        expect(refusal(await subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/two`, forgeSession(device).next(50_000)))).to.equal('413 M_TOO_LARGE');
      });
      it('answers for an event that one may not see as for one that there is not', async () => {
        const roomId = await inRoom();
        const { event_id: eventId } = await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/hidden`, forgeSession(device).next()));
        expect(refusal(await subject.call(reader, 'GET', `/rooms/${e(roomId)}/event/${e(String(eventId))}`))).to.equal('404 M_NOT_FOUND');
      });
      it('takes the content out of what is redacted, for who may', async () => {
        const roomId = await inRoom();
        const { event_id: eventId } = await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.message/clear`, { msgtype: 'm.text', body: 'clear' }));
        const redact = (as: As): ReturnType<Subject['call']> => subject.call(as, 'PUT', `/rooms/${e(roomId)}/redact/${e(String(eventId))}/r1`, { reason: 'not encrypted' });
        expect(refusal(await redact(reader))).to.equal('403 M_FORBIDDEN');
        const first = await ok(redact(guardian));
        expect(await ok(redact(guardian))).to.deep.equal(first);
        expect((await ok(subject.call(courier, 'GET', `/rooms/${e(roomId)}/event/${e(String(eventId))}`)))['content']).to.deep.equal({});
      });
      it('refuses to send into a room that one is not in, and one that there is not', async () => {
        const roomId = await room();
        const content = forgeSession(device).next();
        for (const where of [roomId, `!nowhere:${subject.serverName}`]) expect(refusal(await subject.call(courier, 'PUT', `/rooms/${e(where)}/send/m.room.encrypted/x`, content))).to.equal('403 M_FORBIDDEN');
      });
    });

    describe('transactions', () => {
      const told = (roomId: string): readonly string[] => subject.transactions.flatMap(({ events }) => events).filter((event) => event['room_id'] === roomId).map((event) => `${String(event['type'])} ${String(event['sender'])}`);

      it('tell the application service of what happens in its rooms, in order, with whose doing it is', async () => {
        const roomId = await inRoom();
        await ok(invite(roomId, reader.userId));
        await ok(subject.call(reader, 'POST', `/join/${e(roomId)}`, {}));
        await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/told`, forgeSession(device).next()));
        await until('the message to be told', () => told(roomId).includes(`m.room.encrypted ${courier.user}`));
        expect(told(roomId).slice(-4)).to.deep.equal([`m.room.member ${courier.user}`, `m.room.member ${guardian.user}`, `m.room.member ${reader.userId}`, `m.room.encrypted ${courier.user}`]);
        const [event] = subject.transactions.flatMap(({ events }) => events).filter((each) => each['room_id'] === roomId && each['type'] === 'm.room.encrypted');
        expect(event).to.include.keys('event_id', 'room_id', 'sender', 'type', 'origin_server_ts', 'content');
      });
      it('come again until they are taken', async () => {
        const roomId = await inRoom();
        await until('it to be quiet', () => told(roomId).includes(`m.room.member ${courier.user}`));
        subject.refuse(1);
        await ok(subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/again`, forgeSession(device).next()));
        await until('the message to be told', () => told(roomId).includes(`m.room.encrypted ${courier.user}`));
        expect(subject.refused).to.have.length(1);
        expect(told(roomId).filter((what) => what.startsWith('m.room.encrypted'))).to.have.length(1);
      });
    });

    it('answers what it does not know with a standard error', async () => {
      expect(refusal(await subject.call(guardian, 'GET', '/no/such/thing'))).to.equal('404 M_UNRECOGNIZED');
      expect((await subject.call(guardian, 'GET', '/createRoom')).status).to.equal(405);
    });
  });
}
