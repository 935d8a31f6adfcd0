import { expect } from 'chai';
import { newAceso, type Aceso, type AcesoOptions } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrix, matrixAnswer } from '../support/matrixHttp.ts';
import { policyServerFor, type PolicySettings } from '../support/policyServer.ts';
import { startPolicyStreams, storedWith } from '../support/policyStreams.ts';
import { freePort } from '../support/ports.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { asGuardian, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-old-rooms';
const NPI = { '10': '1000000081', '11': '1000000082' } as const;
type Version = keyof typeof NPI;

describe('Rooms that were there before the policy server', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let options: AcesoOptions;
  let settings: PolicySettings;
  let postgres: Postgres;
  let aceso: Aceso;
  let ada: Client; // at St. Anne
  let bob: Client; // at Mercy
  const rooms = new Map<Version, string>();

  const room = (version: Version): string => rooms.get(version) ?? '';
  const path = (version: Version, rest: string): string => `/rooms/${encodeURIComponent(room(version))}/${rest}`;
  const policyOf = (version: Version): Promise<Record<string, unknown>> => asGuardian(hospitals.mercy, options.slot, path(version, 'state/m.room.policy/'));
  const key = (policy: Record<string, unknown>): string => (policy['public_keys'] as { readonly ed25519: string }).ed25519;
  const isRefused = async (client: Client, version: Version): Promise<boolean> => {
    const { status, body } = await matrixAnswer((client === ada ? hospitals.stAnne : hospitals.mercy).baseUrl, `/_matrix/client/v3${path(version, `send/m.room.message/${Math.random()}`)}`, { method: 'PUT', token: client.accessToken, body: { msgtype: 'm.text', body: 'K 6.8 in clear' } });
    return status === 403 && body['org.aceso.rule'] === 'clear-text';
  };
  const passes = async (from: Client, to: Client, version: Version): Promise<void> => {
    const sent = await from.send(room(version), { msgtype: 'm.text', body: `hello in ${version}` });
    expect(await to.waitForMessage(({ eventId }) => eventId === sent)).to.include({ wasEncrypted: true });
  };

  before(async () => {
    hospitals = await sharedHospitals();
    postgres = await startPostgres();
    const { mercy, stAnne } = hospitals;
    const users = [await stAnne.register('oldroom_ada', PASSWORD), await mercy.register('oldroom_bob', PASSWORD)];
    [ada, bob] = await Promise.all([startJsClient({ baseUrl: stAnne.baseUrl, user: 'oldroom_ada', password: PASSWORD }), startJsClient({ baseUrl: mercy.baseUrl, user: 'oldroom_bob', password: PASSWORD })]);
    options = { mercy, slot: hospitals.takeSlot(), partners: [], postgresUrl: await postgres.createDatabase('policy') };
    for (const version of ['10', '11'] as const) {
      options = { ...options, partners: [{ server_name: stAnne.serverName, name: 'St. Anne', room_version: version }], teams: (['10', '11'] as const).map((each) => ({ id: `old${each}`, name: 'Old', members: users, identifiers: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: NPI[each] }] })) };
      aceso = await newAceso(options);
      options = { ...options, folder: aceso.folder, token: aceso.token };
      await aceso.start();
      await tell(aceso, `OLD-${version}`, NPI[version]);
      rooms.set(version, (await sees(ada, `OLD-${version}`, 60_000)).roomId);
      await sees(bob, `OLD-${version}`);
      await aceso.stop();
    }
    settings = await policyServerFor(hospitals);
    options = { ...options, policyServer: settings };
    aceso = await newAceso(options);
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), bob.stop(), aceso.stop()]);
    await postgres.stop();
    aceso.remove();
  });

  for (const version of ['10', '11'] as const) {
    it(`come under it when it is configured: clear text is refused, encrypted messages pass, in room version ${version}`, async () => {
      await until('the room to name it', async () => (await policyOf(version))['via'] === settings.server_name, 60_000);
      expect((await asGuardian(hospitals.mercy, options.slot, path(version, 'state/m.room.create/')))['room_version']).to.equal(version);
      await until('St. Anne to know it too', async () => (await isRefused(ada, version)) && await isRefused(bob, version), 60_000);
      await passes(ada, bob, version);
      await passes(bob, ada, version);
    });
  }

  it('have one\'s own message removed in room version 10, where the event says so in another place', async () => {
    const sent = await bob.send(room('10'), { msgtype: 'm.text', body: 'to be removed' });
    await ada.waitForMessage(({ eventId }) => eventId === sent);
    await matrix(hospitals.mercy.baseUrl, `/_matrix/client/v3${path('10', `redact/${encodeURIComponent(sent)}/mine`)}`, { method: 'PUT', token: bob.accessToken, body: {} });
    await until('it to be removed at St. Anne', () => ada.redactions.some(({ eventId }) => eventId === sent));
  });

  it('are looked at by the doctor, who sees that the homeserver asks', async () => {
    const { findings } = await aceso.cli<{ readonly findings: readonly { readonly level: string; readonly what: string; readonly is: string }[] }>('doctor').catch((error: unknown) => { throw new Error(`the doctor found something: ${String(error)}`); });
    const of = (what: string): unknown => findings.find((finding) => finding.what === what);
    expect(of('policy server')).to.include({ level: 'ok' });
    expect(of('rooms under the policy server')).to.include({ level: 'ok', is: '2 of 2' });
    expect(of('homeserver asks the policy server')).to.include({ level: 'ok' });
  });

  it('stay under it while the database is away: what may pass passes, what may not is refused', async () => {
    const streams = startPolicyStreams(room('11'), [{ baseUrl: hospitals.stAnne.baseUrl, userId: ada.userId, accessToken: ada.accessToken }, { baseUrl: hospitals.mercy.baseUrl, userId: bob.userId, accessToken: bob.accessToken }]);
    await until('both to send', () => streams.flowsSince(0));
    await postgres.kill();
    const killedAt = Date.now();
    try {
      await until('both to go on', () => streams.flowsSince(killedAt));
      for (const version of ['10', '11'] as const) {
        expect(await isRefused(ada, version)).to.equal(true);
        await passes(ada, bob, version);
      }
    } finally {
      await postgres.start();
    }
    const backAt = Date.now();
    await until('both to go on', () => streams.flowsSince(backAt));
    await streams.stop();
    expect(streams.delayed, 'messages that were refused though they may pass').to.deep.equal([]);
    expect(streams.forbidden.filter(({ status }) => status === 200), 'forbidden ones that passed').to.deep.equal([]);
    expect([hospitals.mercy, hospitals.stAnne].map((hospital) => storedWith(hospital, streams.marker)), 'on the disks').to.deep.equal([0, 0]);
    await tell(aceso, 'OLD-back', NPI['11']);
    await sees(ada, 'OLD-back', 60_000);
  });

  it('name its new key after a rotation, and go on', async () => {
    const before = key(await policyOf('11'));
    await aceso.cli('policy-server', 'rotate', '--policy-key');
    await aceso.cli('policy-server', 'rotate');
    await aceso.stop();
    await aceso.start();
    await until('both rooms to name the new key', async () => key(await policyOf('10')) !== before && key(await policyOf('11')) === key(await policyOf('10')), 60_000);
    await until('sending to go on at St. Anne', () => passes(ada, bob, '11').then(() => true), 60_000);
    expect(await isRefused(bob, '10')).to.equal(true);
  });

  it('can\'t be sent to when the homeserver doesn\'t reach it, and /readyz says so, and what to do', async () => {
    await aceso.stop();
    aceso = await newAceso({ ...options, policyServer: { ...settings, port: await freePort() } });
    await aceso.start();
    const problem = await until('the problem to be told', async () => ((await (await fetch(`${aceso.operationsUrl}/readyz`)).json()) as { readonly problems: readonly { readonly part: string; readonly message: string }[] }).problems.find(({ part }) => part === 'policy-server'));
    expect(problem.message).to.match(/nobody can send in its rooms. See that its name, certificate/u);
    const { status } = await matrixAnswer(hospitals.stAnne.baseUrl, `/_matrix/client/v3${path('11', 'send/m.room.message/unreached')}`, { method: 'PUT', token: ada.accessToken, body: { msgtype: 'm.text', body: 'K 6.8 in clear' } });
    expect(status).to.be.at.least(400);
  });
});
