/** What `room.open`, `room.repair`, `room.close`, `member.remove` and `event.confirm` rely on: the homeserver's port, by our own adapter, on Synapse and on the stub that stands for it. */
import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { createHomeserver } from '../../../src/adapters/matrix/homeserver.ts';
import { as, type EventId, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Outcome } from '../../../src/domain/outcome.ts';
import { planFor, type RoomTemplate } from '../../../src/domain/rooms/template.ts';
import type { Homeserver, RoomToCreate } from '../../../src/ports/homeserver.ts';
import type { Session } from '../../support/lab.ts';
import { forgeDevice, forgeSession } from '../../support/stub/forge.ts';
import { openSubject, type Subject } from './subject.ts';

const template: RoomTemplate = { id: 'consult', roomVersion: '12', name: 'Consult', topic: 'Encrypted', federation: 'agreed', senders: 'members', history: 'joined', rotation: { periodMs: 3_600_000, messages: 100 } };
const e = encodeURIComponent;

for (const kind of ['Synapse', 'the stub'] as const) {
  describe(`The homeserver's port on ${kind}`, function () {
    this.timeout(30_000);
    let subject: Subject;
    let homeserver: Homeserver;
    let reader: Session;
    let member: UserId;

    before(async () => {
      subject = await openSubject(kind);
      const { slot, serverName, baseUrl: url } = subject;
      homeserver = createHomeserver({ url, serverName, asToken: slot.asToken, guardianLocalpart: `${slot.prefix}guardian`, courierLocalpart: `${slot.prefix}courier`, names: { guardian: 'G', courier: 'C' } });
      const user = `member${randomUUID().slice(0, 8)}`;
      await subject.register(user, 'pw');
      reader = await subject.login(user, 'pw');
      member = as<UserId>(reader.userId);
    });
    after(async () => {
      await subject.stop();
      expect(subject.complaints).to.deep.equal([]);
    });

    const done = async <T>(outcome: Promise<Outcome<T>>): Promise<T> => {
      const known = await outcome;
      if (!known.ok) throw new Error(`${known.error.code}: ${known.error.message}`);
      return known.value;
    };
    const failure = async (outcome: Promise<Outcome<unknown>>): Promise<string> => {
      const known = await outcome;
      return known.ok ? 'done' : `${known.error.code}${known.error.retry ? ', again' : ''}`;
    };
    const people = (): Parameters<typeof planFor>[2] => ({ ownServer: subject.serverName, guardian: homeserver.guardian, partnerVersions: {} });
    const wanted = (servers: readonly string[] = [], roomVersion = template.roomVersion): RoomToCreate => ({ ...planFor({ ...template, roomVersion }, { servers, speakers: [] }, people()), aliasLocalpart: `${subject.slot.prefix}port_${randomUUID()}` });
    const made = (): Promise<RoomId> => done(homeserver.createRoom(wanted()));
    const contentOf = async (roomId: RoomId, type: string): Promise<unknown> => (await done(homeserver.state(roomId))).find((event) => event.type === type && event.stateKey === '')?.content;
    const joins = async (roomId: RoomId): Promise<void> => {
      await done(homeserver.invite(roomId, member));
      expect((await subject.call(reader, 'POST', `/join/${e(roomId)}`, {})).status).to.equal(200);
    };

    for (const version of ['11', '12']) it(`makes a room of version ${version} by its plan, and the same one when it is asked for again`, async () => {
      const room = wanted(['partner.example'], version);
      const roomId = await done(homeserver.createRoom(room));
      expect(await done(homeserver.createRoom(room))).to.equal(roomId);
      const state = await done(homeserver.state(roomId));
      for (const { type, stateKey, content } of room.initialState) expect(state.find((event) => event.type === type && event.stateKey === stateKey)?.content, type).to.deep.equal(content);
      expect(state.every(({ sender }) => sender === homeserver.guardian), 'the guardian\'s own').to.equal(true);
      expect(await contentOf(roomId, 'm.room.create')).to.include({ room_version: version });
    });
    it('makes one that takes another\'s place, and names it', async () => {
      const former = await made();
      expect(await contentOf(await done(homeserver.createRoom({ ...wanted(), predecessor: former })), 'm.room.create')).to.deep.include({ predecessor: { room_id: former } });
    });
    it('takes a room that was left half made for none, and makes another under its name', async () => {
      const room = wanted();
      const { body } = await subject.call({ user: homeserver.guardian }, 'POST', '/createRoom', { preset: 'private_chat', room_alias_name: room.aliasLocalpart });
      expect(await failure(homeserver.createRoom(room))).to.equal('unavailable, again');
      expect(await done(homeserver.createRoom(room))).not.to.equal(body['room_id']);
    });
    it('puts back a setting, the levels too, and says nothing when it is put back again', async () => {
      const room = wanted();
      const roomId = await done(homeserver.createRoom(room));
      const levels = await contentOf(roomId, 'm.room.power_levels') as Readonly<Record<string, unknown>>;
      for (const [type, other, back] of [['m.room.topic', { topic: 'Another' }, { topic: room.topic }], ['m.room.power_levels', { ...levels, invite: 0 }, levels]] as const) {
        await done(homeserver.setState(roomId, { type, stateKey: '', content: other }));
        expect(await contentOf(roomId, type)).to.deep.include(other);
        for (const _ of [1, 2]) await done(homeserver.setState(roomId, { type, stateKey: '', content: back }));
        expect(await contentOf(roomId, type)).to.deep.include(back);
      }
    });
    it('lets nobody but the guardian change one', async () => {
      const roomId = await made();
      await joins(roomId);
      const others = { 'm.room.topic': { topic: 'Another' }, 'm.room.server_acl': { allow: ['*'] }, 'm.room.policy': {}, 'm.room.power_levels': { users: { [member]: 100 } } };
      for (const [type, content] of Object.entries(others)) expect((await subject.call(reader, 'PUT', `/rooms/${e(roomId)}/state/${type}`, content)).status, type).to.equal(403);
    });
    it('ends a membership and an invitation, once; of who isn\'t there nothing', async () => {
      const roomId = await made();
      expect(await done(homeserver.membership(roomId, member))).to.equal(undefined);
      await done(homeserver.remove(roomId, member, 'not there'));
      await done(homeserver.invite(roomId, member));
      await done(homeserver.invite(roomId, member));
      expect(await done(homeserver.membership(roomId, member))).to.equal('invite');
      await done(homeserver.remove(roomId, member, 'taken back'));
      await joins(roomId);
      await done(homeserver.invite(roomId, member));
      expect(await done(homeserver.membership(roomId, member))).to.equal('join');
      for (const _ of [1, 2]) await done(homeserver.remove(roomId, member, 'over'));
      expect(await done(homeserver.membership(roomId, member))).to.equal('leave');
    });
    it('ends a membership as it puts back a setting, of who is in it and who is invited', async () => {
      const roomId = await made();
      await joins(roomId);
      await done(homeserver.setState(roomId, { type: 'm.room.member', stateKey: member, content: { membership: 'leave' } }));
      expect(await done(homeserver.membership(roomId, member))).to.equal('leave');
      await done(homeserver.invite(roomId, member));
      await done(homeserver.setState(roomId, { type: 'm.room.member', stateKey: member, content: { membership: 'leave' } }));
      expect(await done(homeserver.membership(roomId, member))).to.equal('leave');
    });
    it('shows nothing that isn\'t there, and doesn\'t say where the guardian isn\'t', async () => {
      expect(await done(homeserver.shows(await made(), as<EventId>('$nothing')))).to.equal(false);
      expect(await failure(homeserver.shows(as<RoomId>(`!nowhere:${subject.serverName}`), as<EventId>('$nothing')))).to.equal('forbidden, again');
    });
    it('lets the courier in where it was invited, shows the guardian what it said, and takes it out, once', async () => {
      const roomId = await made();
      await done(homeserver.invite(roomId, homeserver.courier));
      for (const _ of [1, 2]) await done(homeserver.joinAsCourier(roomId));
      const courier = { user: homeserver.courier, device: 'PORT' };
      expect((await subject.call({ user: homeserver.courier }, 'PUT', '/devices/PORT', {})).status).to.be.oneOf([200, 201]);
      const device = forgeDevice(homeserver.courier, 'PORT');
      expect((await subject.call(courier, 'POST', '/keys/upload', { device_keys: device.deviceKeys })).status).to.equal(200);
      const { body } = await subject.call(courier, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/1`, forgeSession(device).next());
      const eventId = as<EventId>(String(body['event_id']));
      expect(await done(homeserver.shows(roomId, eventId))).to.equal(true);
      for (const _ of [1, 2]) await done(homeserver.redact(roomId, eventId, `redact:${eventId}`, 'a test'));
      expect((await subject.call(courier, 'GET', `/rooms/${e(roomId)}/event/${e(eventId)}`)).body['content']).to.deep.equal({});
    });
    it('says what it is, and that it knows us', async () => expect((await done(homeserver.ping())).versions).to.include('v1.11'));
  });
}
