import { expect } from 'chai';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { handOver } from '../../src/main/handOver.ts';
import { checkRooms } from '../../src/main/rooms/rooms.ts';
import { newAceso, type Aceso } from '../support/aceso.ts';
import { agree } from '../support/agree.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospital, type Hospitals, type Slot } from '../support/lab.ts';
import { matrixAnswer, text, type MatrixAnswer } from '../support/matrixHttp.ts';
import { policyServerFor, type PolicySettings } from '../support/policyServer.ts';
import { asGuardian, auditOf, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-handing-over';
const NPI = '1000000097';

type StateEvent = { readonly type: string; readonly state_key: string; readonly content: Readonly<Record<string, unknown>> };
type Handed = readonly { readonly roomId: string; readonly outcome: string; readonly why: string }[];

/** Both hospitals have an Aceso with a policy server; the room is Mercy's. */
describe('A room whose policy server is away, and a partner\'s that stands by', function () {
  this.timeout(480_000);
  let hospitals: Hospitals;
  let slots: Readonly<Record<'mercy' | 'stAnne', Slot>>;
  let policy: Readonly<Record<'mercy' | 'stAnne', PolicySettings>>;
  let mercy: Aceso;
  let stAnne: Aceso;
  let ada: Client; // at St. Anne
  let bob: Client; // at Mercy
  let roomId: string;
  let sends = 0;

  const at = (client: Client): Hospital => (client === ada ? hospitals.stAnne : hospitals.mercy);
  const room = (rest: string): string => `/rooms/${encodeURIComponent(roomId)}/${rest}`;
  const send = (client: Client, type: string, content: unknown): Promise<MatrixAnswer> =>
    matrixAnswer(at(client).baseUrl, `/_matrix/client/v3${room(`send/${type}/hand${(sends += 1)}`)}`, { method: 'PUT', token: client.accessToken, body: content });
  const clearText = async (client: Client): Promise<unknown> => { const { status, body } = await send(client, 'm.room.message', { msgtype: 'm.text', body: 'K 6.8 in clear' }); return status === 403 ? body['org.aceso.rule'] : status; };
  const contentOf = async (type: string, key = ''): Promise<StateEvent['content'] | undefined> =>
    (JSON.parse(text(await asGuardian(hospitals.mercy, slots.mercy, room('state')), 'text')) as readonly StateEvent[]).find((event) => event.type === type && event.state_key === key)?.content;
  const named = async (): Promise<unknown> => (await contentOf('m.room.policy'))?.['via'];
  const isIn = async (user: string): Promise<boolean> => (await contentOf('m.room.member', user))?.['membership'] === 'join';
  const signed = async (): Promise<number> => Number(/^aceso_policy_signs_total\{answer="signed",rule="encrypted"\} (\d+)/mu.exec(await (await fetch(`${stAnne.operationsUrl}/metrics`)).text())?.[1] ?? 0);
  const bothTalk = async (words: string): Promise<void> => {
    for (const [from, to] of [[bob, ada], [ada, bob]] as const) {
      const sent = await until(`${from.userId} to send`, () => from.send(roomId, { msgtype: 'm.text', body: words }).catch(() => undefined), 60_000, 500);
      await to.waitForMessage(({ eventId }) => eventId === sent);
    }
  };
  const tryToHandOver = (to: string): Promise<Handed> => mercy.show((store) => handOver(store, loadConfig(mercy.configFile), { all: true, to, reason: 'outage', dryRun: true, by: 'tester' }));
  /** At her own server, too. */
  const namedForAda = async (): Promise<unknown> => (await matrixAnswer(hospitals.stAnne.baseUrl, `/_matrix/client/v3${room('state/m.room.policy/')}`, { token: ada.accessToken })).body['via'];

  before(async () => {
    hospitals = await sharedHospitals();
    slots = { mercy: hospitals.takeSlot(), stAnne: hospitals.takeSlot('stAnne') };
    policy = { mercy: await policyServerFor(hospitals), stAnne: await policyServerFor({ mercy: hospitals.stAnne, tls: hospitals.tls }) };
    const [adaId, bobId] = [await hospitals.stAnne.register('hand_ada', PASSWORD), await hospitals.mercy.register('hand_bob', PASSWORD)];
    const partner = (of: Hospital): { readonly server_name: string; readonly name: string } => ({ server_name: of.serverName, name: of.name });
    const people = [{ id: 'ada', name: 'Dr. Ada', user_id: adaId }, { id: 'bob', name: 'Dr. Bob', user_id: bobId, roles: ['physician'] }];
    mercy = await newAceso({
      mercy: hospitals.mercy, slot: slots.mercy, partners: [partner(hospitals.stAnne)], people, policyServer: policy.mercy,
      teams: [{ id: 'icu', name: 'ICU', members: [adaId, bobId], identifiers: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: NPI }] }],
    });
    stAnne = await newAceso({ mercy: hospitals.stAnne, slot: slots.stAnne, partners: [partner(hospitals.mercy)], people: [{ id: 'ada', name: 'Dr. Ada', user_id: adaId, roles: ['physician'] }], policyServer: policy.stAnne });
    [ada, bob] = await Promise.all([startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'hand_ada', password: PASSWORD }), startJsClient({ baseUrl: hospitals.mercy.baseUrl, user: 'hand_bob', password: PASSWORD })]);
    // Before they start: whichever heard of it first would ask for what the other doesn't know of yet, and a minute later again.
    for (const aceso of [mercy, stAnne]) await aceso.cli('policy-server', 'keys');
    await agree(mercy, { cli: stAnne.cli, serverName: hospitals.stAnne.serverName }, 'standby', '2199-12-31', ['--stand-by']);
    const { key } = await mercy.cli<{ readonly key: string }>('agreements', 'key');
    await stAnne.cli('agreements', 'add', join(mercy.folder, 'standby.json'), '--confirm-key', key);
    await stAnne.start();
    await mercy.start();
    await tell(mercy, 'H-1', NPI);
    ({ roomId } = await sees(ada, 'H-1'));
    await sees(bob, 'H-1');
    await until('the policy server to be in force', async () => (await named()) === policy.mercy.server_name);
  });
  after(async () => {
    await Promise.all([ada, bob, mercy, stAnne].map((each) => each.stop()));
    for (const aceso of [mercy, stAnne]) aceso.remove();
  });

  it('has it, and the partner\'s guardian, in it, as both have agreed; nobody is asked there but the hospital\'s own', async () => {
    await until('both to have come', async () => (await isIn(`@${slots.stAnne.prefix}guardian:${hospitals.stAnne.serverName}`)) && (await isIn(`@policy:${policy.stAnne.server_name}`)), 240_000, 300);
    expect(await named()).to.equal(policy.mercy.server_name);
    expect([await clearText(ada), await clearText(bob)]).to.deep.equal(['clear-text', 'clear-text']);
    await bothTalk('before');
    expect(await signed()).to.equal(0);
    expect((await mercy.show<readonly { readonly findings: readonly unknown[] }[]>((store) => checkRooms(store, loadConfig(mercy.configFile), undefined))).flatMap(({ findings }) => findings)).to.deep.equal([]);
    expect(await tryToHandOver('nobody.example').then(() => 'done', (error: unknown) => String(error))).to.include('says that its policy server stands by');
    expect((await tryToHandOver(hospitals.stAnne.serverName)).map(({ outcome }) => outcome)).to.include('would').and.not.include('done');
  });

  it('is judged by it while the own one is away: what both let pass passes, what may not is refused', async () => {
    await mercy.kill();
    for (const client of [bob, ada]) expect(await clearText(client), 'nobody can send').to.not.be.oneOf([200, 'clear-text']);
    const handed = await mercy.cli<Handed>('policy-server', 'hand-over', '--all', '--to', hospitals.stAnne.serverName, '--reason', 'outage');
    expect(handed.filter(({ roomId: id }) => id === roomId).map(({ outcome }) => outcome)).to.deep.equal(['done']);
    expect(await named()).to.equal(policy.stAnne.server_name);
    await until('clear text to be refused by the partner\'s at both', async () => (await clearText(ada)) === 'clear-text' && (await clearText(bob)) === 'clear-text', 60_000, 300);
    await bothTalk('meanwhile');
    expect(await signed(), 'signed by the partner\'s').to.be.greaterThan(1);
    expect((await send(bob, 'org.example.note', { text: 'K 6.8' })).status).to.equal(403);
  });

  it('stays with the partner\'s when Aceso is back, which says so, until it is taken back', async () => {
    await mercy.start();
    await until('the problem to be shown', async () => (await (await fetch(`${mercy.operationsUrl}/metrics`)).text()).includes('code="handed-over"'));
    await until('the restart to have looked at the room', () => auditOf(mercy).some(({ action, detail }) => action === 'policy.handed-over' && detail['room'] === roomId));
    await until('the room to name the partner\'s', async () => (await named()) === policy.stAnne.server_name);
    const taken = await mercy.cli<Handed>('policy-server', 'take-back', '--all', '--reason', 'recovered');
    expect(taken.filter(({ roomId: id }) => id === roomId).map(({ outcome }) => outcome)).to.deep.equal(['done']);
    expect(await named()).to.equal(policy.mercy.server_name);
    await until('her server to know it', async () => (await namedForAda()) === policy.mercy.server_name);
    const before = await signed();
    await bothTalk('afterwards');
    expect(await signed(), 'signed by the own one').to.equal(before);
    expect([await clearText(ada), await clearText(bob)]).to.deep.equal(['clear-text', 'clear-text']);
    const said = auditOf(mercy).filter(({ action, detail }) => action.startsWith('policy.') && detail['room'] === roomId && detail['partner'] === hospitals.stAnne.serverName);
    expect(said.map(({ action, because, detail }) => [action, because, detail['by']])).to.deep.equal([['policy.handed-over', 'outage', 'tester'], ['policy.taken-back', 'recovered', 'tester']]);
    expect([ada, bob].flatMap(({ undecryptable }) => undecryptable)).to.deep.equal([]);
  });
});
