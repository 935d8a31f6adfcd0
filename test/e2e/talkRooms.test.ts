import { expect } from 'chai';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { showRoom } from '../../src/main/rooms/rooms.ts';
import { newAceso, sha256, type Aceso } from '../support/aceso.ts';
import type { Client, SeenMessage } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix, matrixAnswer } from '../support/matrixHttp.ts';
import { asGuardian } from '../support/results.ts';
import { until } from '../support/until.ts';

const EHR_TOKEN = 'token-of-the-ehr';
const NUCC = 'http://nucc.org/provider-taxonomy';
const EHR = { id: 'ehr', name: 'Mercy EHR', token_sha256: sha256(EHR_TOKEN), owner: 'EHR team', resource_types: [], directory: { roles: { [`${NUCC}|207RC0000X`]: 'physician', [`${NUCC}|246Q00000X`]: 'billing' } } };
const BEN_NPI = '1902301225';
const IDP_TOKEN = 'token-of-the-identity-provider';
const IDP = { id: 'idp', name: 'Mercy identity provider', token_sha256: sha256(IDP_TOKEN), owner: 'Service desk', resource_types: [], directory: { scim: {} } };
const PASSWORD = 'password-of-talk-rooms';
type Shown = { readonly roomId?: string; readonly members: Readonly<Record<string, string>>; readonly refused: readonly { readonly userId: string; readonly rules: readonly string[]; readonly message: string }[]; readonly looked?: { readonly findings: readonly unknown[] } };

describe('A consult room between two hospitals, on real servers', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  let ada: Client;
  let ben: Client;
  let clerk: string;
  let room: string;
  const shown = (): Promise<Shown> => aceso.cli('rooms', 'show', 'cardiology');
  const lookAt = (key: string): Promise<Shown> => aceso.show((store) => showRoom(store, key));
  const stateOf = async (type: string, key = ''): Promise<Record<string, unknown>> => asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(room)}/state/${type}/${encodeURIComponent(key)}`);
  const set = (type: string, content: unknown): Promise<unknown> => asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(room)}/state/${type}/`, { method: 'PUT', body: content });
  const audited = (action: string): readonly { readonly because: string; readonly detail: Readonly<Record<string, unknown>> }[] => {
    const database = new DatabaseSync(join(aceso.folder, 'data', 'aceso.db'), { readOnly: true });
    const rows = database.prepare('select because, detail from audit where action = ? order by seq').all(action) as unknown as readonly { readonly because: string; readonly detail: string }[];
    database.close();
    return rows.map(({ because, detail }) => ({ because, detail: JSON.parse(detail) as Record<string, unknown> }));
  };
  const dryRun = (): Promise<{ readonly findings: readonly unknown[]; readonly repairs: readonly unknown[] }> => aceso.cli('rooms', 'repair', 'cardiology', '--dry-run');

  before(async () => {
    hospitals = await sharedHospitals();
    slot = hospitals.takeSlot();
    const { mercy, stAnne } = hospitals;
    const [adaId, benId] = [await stAnne.register('talk-ada', PASSWORD), await mercy.register('talk-ben', PASSWORD)];
    clerk = await mercy.register('talk-clerk', PASSWORD);
    ada = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'talk-ada', password: PASSWORD });
    ben = await startJsClient({ baseUrl: mercy.baseUrl, user: 'talk-ben', password: PASSWORD });
    const people = [{ id: 'ada', name: 'Dr. Ada', user_id: adaId, roles: ['partner-clinician'] }, { id: 'ben', name: 'Dr. Ben', user_id: benId, npi: BEN_NPI, roles: ['physician'] }, { id: 'clerk', name: 'Claire', user_id: clerk, roles: ['billing'] }];
    aceso = await newAceso({ mercy, slot, people, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], moreSources: [EHR, IDP] });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), ben.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('is made once, with whom the policy lets in; who isn\'t let in is said with the rule', async () => {
    const create = (): Promise<Pick<Shown, 'refused'>> => aceso.cli('rooms', 'create', 'consult', '--key', 'cardiology', '--member', ada.userId, '--member', ben.userId, '--member', clerk);
    const { refused: [clerkRefused] } = await create();
    expect(clerkRefused).to.include({ userId: clerk }).and.have.property('message').that.includes('Billing staff don\'t enter rooms where care is discussed');
    expect(clerkRefused?.rules).to.deep.equal(['billing-never-in-clinical-rooms']);
    room = await until('both to be in it', async () => { const { roomId, members } = await lookAt('cardiology'); return Object.values(members).filter((each) => each === 'joined').length === 2 ? roomId : undefined; }, 60_000);
    // Devices that begin now know the room from their first sync: one that joined on its own may hear of its invitation only afterwards.
    await Promise.all([ada.stop(), ben.stop()]);
    [ada, ben] = await Promise.all([startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'talk-ada', password: PASSWORD }), startJsClient({ baseUrl: hospitals.mercy.baseUrl, user: 'talk-ben', password: PASSWORD })]);
    await create();
    const { members, refused, roomId } = await shown();
    expect([roomId, members, refused.map(({ userId }) => userId)]).to.deep.equal([room, { [ada.userId]: 'joined', [ben.userId]: 'joined' }, [clerk]]);
  });

  it('is theirs: they talk encrypted, and no member is a server', async () => {
    await ben.send(room, { msgtype: 'm.text', body: 'Is this ST elevation?' });
    const asked = await ada.waitForMessage(({ roomId }) => roomId === room, 60_000);
    expect(asked.content['body']).to.equal('Is this ST elevation?');
    await ada.reply(room, asked.eventId, 'It is. Call the lab.');
    expect((await ben.waitForMessage(({ roomId }) => roomId === room, 60_000)).content['body']).to.include('It is. Call the lab.');
    const { joined } = (await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(room)}/joined_members`)) as { readonly joined: Readonly<Record<string, unknown>> };
    expect(Object.keys(joined).sort()).to.deep.equal([`@${slot.prefix}guardian:${hospitals.mercy.serverName}`, ada.userId, ben.userId].sort());
  });

  it('is as it must be from the start', async () => {
    expect((await dryRun()).findings).to.deep.equal([]);
    expect(await aceso.cli('rooms', 'check')).to.have.length(1);
  });

  it('whose levels, topic and access list somebody changed at the homeserver is put back within seconds', async () => {
    const levels = await stateOf('m.room.power_levels');
    await set('m.room.power_levels', { ...levels, users: { ...(levels['users'] as object), [ben.userId]: 100 } });
    await set('m.room.topic', { topic: 'Somebody\'s name' });
    await set('m.room.server_acl', { allow: ['*'], deny: [] });
    await set('m.room.history_visibility', { history_visibility: 'world_readable' });
    await until('the room to be put back', async () => (await dryRun()).findings.length === 0 && String((await stateOf('m.room.topic'))['topic']).startsWith('A question'), 60_000, 500);
    expect((await stateOf('m.room.power_levels'))['users']).to.deep.equal({});
    expect((await stateOf('m.room.server_acl'))['allow']).to.not.include('*');
    expect(aceso.log()).to.include('"room.repaired"').and.not.include('Somebody\'s name');
  });

  it('says in a dry run what would be put back, and in a check what nobody but a person can mend', async () => {
    await set('org.example.note', { text: 'anything' });
    expect(await dryRun()).to.deep.include({ findings: [{ rule: 'state-unknown', type: 'org.example.note' }], repairs: [] });
    const refused: unknown = await aceso.cli('rooms', 'check').catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
    await set('org.example.note', {});
    expect((await dryRun()).findings).to.deep.equal([]);
  });

  it('is one room, though Aceso is killed while it makes it', async () => {
    const rooms = async (): Promise<number> => ((await asGuardian(hospitals.mercy, slot, '/joined_rooms'))['joined_rooms'] as readonly string[]).length;
    const before = await rooms();
    await aceso.stop();
    await aceso.start({ ACESO_TEST_KILL_AT: 'room.created' });
    await aceso.cli('rooms', 'create', 'shift', '--key', 'night', '--member', ben.userId);
    await until('Aceso to be killed', () => aceso.ended(), 60_000);
    await aceso.start();
    await until('Ben to be in it', async () => (await lookAt('night')).members[ben.userId] === 'joined', 60_000, 500);
    expect(await rooms()).to.equal(before + 1);
  });

  it('tells who wrote in clear there, by the courier in a results room of their own, once, though Aceso is killed over it', async () => {
    await aceso.stop();
    await aceso.start({ ACESO_TEST_KILL_AT: 'courier.put' });
    await matrix(hospitals.mercy.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/clear`, { method: 'PUT', token: ben.accessToken, body: { msgtype: 'm.text', body: 'K 6.8 in clear' } });
    await until('Aceso to be killed', () => aceso.ended(), 60_000);
    await aceso.start();
    const told = await toldOf(ben, 'was not encrypted');
    expect(told.wasEncrypted).to.equal(true);
    expect(told.content['body']).to.equal('Your message in the room "Consult" (cardiology) was not encrypted, so servers could read it, and it was taken out. Use a client with end-to-end encryption, for example Element, and send it again. [clear-text]');
    await until('Aceso to know', () => aceso.log().includes('"person.told"'));
    expect(ben.messages.filter(({ content }) => String(content['body']).includes('was not encrypted'))).to.have.length(1);
    expect(told.roomId).to.not.equal(room);
  });

  it('is replaced by a room of another version that has its key and its people, once, though Aceso is killed over it', async () => {
    const rooms = async (): Promise<number> => ((await asGuardian(hospitals.mercy, slot, '/joined_rooms'))['joined_rooms'] as readonly string[]).length;
    const [former, before] = [room, await rooms()];
    const upgrade = (...more: readonly string[]): Promise<{ readonly mode: string; readonly invited: readonly string[] }> => aceso.cli('rooms', 'upgrade', 'cardiology', '--to', '11', ...more);
    expect(await upgrade('--dry-run')).to.deep.include({ mode: 'dry-run', from: former, fromVersion: '12', version: '11', invited: [ada.userId, ben.userId].sort() });
    await aceso.stop();
    await aceso.start({ ACESO_TEST_KILL_AT: 'room.closing' });
    await upgrade();
    await until('Aceso to be killed', () => aceso.ended(), 60_000);
    await aceso.start();
    room = await until('both to be in the new one', async () => { const { roomId, members } = await lookAt('cardiology'); return roomId !== former && Object.values(members).filter((each) => each === 'joined').length === 2 && roomId; }, 60_000, 500);
    expect(await stateOf('m.room.create')).to.deep.include({ room_version: '11', predecessor: { room_id: former } });
    const inFormer = (path: string): Promise<Record<string, unknown>> => asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(former)}/${path}`);
    await until('the former to be closed', async () => ((await inFormer('state/m.room.power_levels/'))['events'] as Readonly<Record<string, number>>)['m.room.encrypted'] === 100, 60_000, 300);
    expect((await inFormer('state/m.room.tombstone/'))['replacement_room']).to.equal(room);
    const refused = await matrixAnswer(hospitals.mercy.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(former)}/send/m.room.message/late`, { method: 'PUT', token: ben.accessToken, body: { msgtype: 'm.text', body: 'too late' } });
    expect(refused.status).to.equal(403);
    expect([(await upgrade()).mode, await rooms(), (await dryRun()).findings]).to.deep.equal(['none', before + 1, []]);
  });

  it('loses somebody whom the homeserver\'s administrator let in', async () => {
    await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(room)}/invite`, { body: { user_id: clerk } });
    await until('the clerk to be out', async () => (await stateOf('m.room.member', clerk))['membership'] === 'leave', 60_000, 300);
  });

  it('loses whose role the EHR changed to one that may not be there, and has them back when it changes again', async () => {
    const role = { resourceType: 'PractitionerRole', id: 'r1', practitioner: { identifier: { system: 'http://hl7.org/fhir/sid/us-npi', value: BEN_NPI } } };
    const put = async (code: string, token = EHR_TOKEN): Promise<number> => (await fetch(`${aceso.fhirUrl}/PractitionerRole/r1`, { method: 'PUT', headers: { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}` }, body: JSON.stringify({ ...role, code: [{ coding: [{ system: NUCC, code }] }] }) })).status;
    const isOut = (): Promise<unknown> => until('Ben to be out', async () => (await stateOf('m.room.member', ben.userId))['membership'] === 'leave', 60_000, 300);
    expect(await put('246Q00000X', aceso.token), 'the laboratory may not').to.equal(403);
    expect(await put('246Q00000X')).to.equal(200);
    await isOut();
    expect((await stateOf('m.room.member', ben.userId))['reason']).to.equal(undefined);
    expect((await shown()).members).to.deep.equal({ [ada.userId]: 'joined' });
    await until('the figures', async () => /aceso_notices_total\{outcome="not-told"\} [1-9]/u.test(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()));
    expect((await aceso.cli<{ readonly fields: readonly unknown[] }>('people', 'show', 'ben')).fields).to.deep.include({ field: 'roles', value: 'billing', by: 'ehr' });
    expect(audited('party.changed').at(-1)).to.deep.include({ because: 'by ehr', detail: { party: 'ben', entry: `ehr http://hl7.org/fhir/sid/us-npi|${BEN_NPI}`, roles: 'billing', before: 'physician', said: 'billing' } });
    const decided = audited('rules.refused').findLast(({ detail }) => detail['user'] === ben.userId && detail['room'] === 'cardiology');
    expect(decided?.detail).to.include({ asked: 'join', rules: 'billing-never-in-clinical-rooms' }).and.have.property('revision').that.matches(/^[0-9a-f]{64}$/u);

    expect(await put('207RC0000X')).to.equal(200);
    await until('Ben to be back', async () => (await lookAt('cardiology')).members[ben.userId] === 'joined', 60_000, 500);
  });

  it('loses whoever has left by the identity provider (SCIM), though Aceso is killed as it was told', async () => {
    const scim = async (method: string, path: string, body: object): Promise<Readonly<Record<string, unknown>>> => (await fetch(`${aceso.baseUrl}/scim/v2${path}`, { method, headers: { 'content-type': 'application/scim+json', authorization: `Bearer ${IDP_TOKEN}` }, body: JSON.stringify(body) })).json() as Promise<Record<string, unknown>>;
    const { id } = await scim('POST', '/Users', { userName: 'ben@mercy.org', 'urn:ietf:params:scim:schemas:extension:aceso:2.0:User': { npi: BEN_NPI } });
    await aceso.stop();
    await aceso.start({ ACESO_TEST_KILL_AT: 'receive.committed' });
    await scim('PATCH', `/Users/${String(id)}`, { Operations: [{ op: 'replace', value: { active: false } }] }).catch(() => undefined);
    await until('Aceso to be killed', () => aceso.ended(), 60_000);
    await aceso.start();
    await until('Ben to be out', async () => (await stateOf('m.room.member', ben.userId))['membership'] === 'leave', 60_000, 300);
    expect((await aceso.cli<{ readonly fields: readonly unknown[] }>('people', 'show', 'ben')).fields).to.deep.include({ field: 'roles', value: 'none: they have left', by: 'idp' });
  });

  it('loses whose role doesn\'t allow it any more by command; who may have a results room is told there', async () => {
    await aceso.cli('people', 'enrol', 'ada', '--role', 'recipient');
    await until('Ada to be out', async () => (await stateOf('m.room.member', ada.userId))['membership'] === 'leave', 60_000, 300);
    const told = await toldOf(ada, 'You are no longer in');
    expect([told.content['body'], told.wasEncrypted]).to.deep.equal(['You are no longer in the room "Consult" (cardiology), nor invited to it. No rule permits this to recipient. If their work needs it, ask the compliance officer. [default-deny]', true]);
  });

  const toldOf = (client: Client, words: string): Promise<SeenMessage> => client.waitForMessage(({ content }) => String(content['body']).includes(words), 60_000);
});
