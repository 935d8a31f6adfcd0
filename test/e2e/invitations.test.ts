import { expect } from 'chai';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient, type JsClientOptions } from '../support/clients/jssdk.ts';
import { startHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { heldList, membershipOf, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-invitations';
const NPI = { ann: '1000000011', lim: '1000000012', dee: '1000000013', pat: '1000000014', far: '1000000015', away: '1000000016' } as const;
type Name = keyof typeof NPI;
/** Synapse's own: a server that couldn't be reached is left alone for ten minutes. */
const federation = { destination_min_retry_interval: '10m', destination_max_retry_interval: '1w', destination_retry_multiplier: 2 };

describe('An invitation to a results room, between Synapses with the limits and pauses that they have by default', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  let ann: Client;
  const clients: Client[] = [];
  const client = async (user: Name, options: Partial<JsClientOptions> = {}): Promise<Client> => {
    const started = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user, password: PASSWORD, ...options });
    clients.push(started);
    return started;
  };
  const invitationOf = (invited: Client, count = 1): Promise<string> => until('the invitation', () => invited.invitations[count - 1]?.roomId);
  /** An invitation is there before the inviting server has stored it: whoever accepts at once is refused, and tries again. */
  const accept = (invited: Client, roomId: string): Promise<true> => until('the invitation to be accepted', () => invited.join(roomId, [hospitals.mercy.serverName]).then(() => true as const));
  const heldAs = (party: Name, code: string): ReturnType<Aceso['delivery']> => aceso.delivery(`held as ${code}`, (each) => each.party === party && each.held?.code === code);
  const isFree = (party: Name): Promise<unknown> => until(`nothing of ${party} to be held`, async () => {
    const held = (await heldList(aceso)).find((each) => each.party === party);
    if (held) throw new Error(JSON.stringify(held));
    return true;
  }, 30_000, 200);

  before(async () => {
    hospitals = await startHospitals({ partnerLimits: 'default', mercy: { slots: 1, config: { federation } }, stAnne: { config: { federation } } });
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const names = ['ann', 'lim', 'dee', 'pat', 'away'] as const;
    await Promise.all([...names.map((user) => stAnne.register(user, PASSWORD)), mercy.register('bob', PASSWORD)]);
    const people = [...names.map((id): Person => ({ id, name: `Dr. ${id}`, user_id: `@${id}:${stAnne.serverName}`, npi: NPI[id] })), { id: 'far', name: 'Dr. Far', user_id: '@far:elsewhere.example', npi: NPI.far }];
    aceso = await newAceso({ mercy, slot, people, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], patienceMinutes: 0.05 });
    await aceso.start();
    ann = await client('ann');
    await tell(aceso, 'ANN-1', NPI.ann);
    await sees(ann, 'ANN-1');
  });
  after(async () => {
    await Promise.all([...clients.map((each) => each.stop()), aceso.stop()]);
    aceso.remove();
    await hospitals.stop();
  });

  it('that is declined holds the delivery; tried again by hand, it is sent when they accept', async () => {
    const dee = await client('dee', { joinInvites: false });
    await tell(aceso, 'DEE-1', NPI.dee);
    const roomId = await invitationOf(dee);
    await aceso.delivery('waiting for them', ({ party, phase, members }) => party === 'dee' && phase === 'addressed' && members[dee.userId] === 'invited');
    await dee.leave(roomId);
    const held = await heldAs('dee', 'invitation-declined');
    expect(held.held?.owner).to.equal('Laboratory desk, ext. 4410');
    expect((await heldList(aceso)).map(({ id }) => id)).to.include(held.id);
    await aceso.cli('held', 'retry', held.id);
    await invitationOf(dee, 2);
    await accept(dee, roomId);
    await isFree('dee');
    await sees(dee, 'DEE-1');
    expect(dee.undecryptable).to.deep.equal([]);
  });

  it('that is not accepted in time holds the delivery; accepted later, the hold ends and the message comes', async () => {
    const pat = await client('pat', { joinInvites: false });
    await tell(aceso, 'PAT-1', NPI.pat);
    const roomId = await invitationOf(pat);
    const held = await heldAs('pat', 'invitation-not-accepted');
    expect(held).to.include({ phase: 'addressed' });
    expect(held.members).to.deep.equal({ [pat.userId]: 'invited' });
    await accept(pat, roomId);
    await isFree('pat');
    await sees(pat, 'PAT-1');
  });

  it('to a server without an agreement is never sent: the delivery is held, and says what to do', async () => {
    await tell(aceso, 'FAR-1', NPI.far);
    const { held } = await heldAs('far', 'no-agreement');
    expect(held?.reason).to.include('elsewhere.example').and.include('partners');
    expect(await membershipOf(aceso, 'far', '@far:elsewhere.example')).to.equal(undefined);
  });

  it('that the partner limits is a state that people can see, for each delivery, and stops nobody else\'s messages', async () => {
    const { mercy, stAnne } = hospitals;
    const { accessToken } = await mercy.login('bob', PASSWORD);
    for (let count = 0; count < 5; count += 1) await matrix(mercy.baseUrl, '/_matrix/client/v3/createRoom', { token: accessToken, body: { invite: [`@lim:${stAnne.serverName}`] } });
    await tell(aceso, 'LIM-1', NPI.lim);
    const limited = await heldAs('lim', 'invitation-limited');
    expect(limited.held?.reason).to.include(stAnne.serverName).and.include('keeps trying');
    expect(limited.members).to.deep.equal({ [`@lim:${stAnne.serverName}`]: 'limited' });
    await tell(aceso, 'LIM-2', NPI.lim);
    await until('both to be held', async () => (await heldList(aceso)).filter(({ party, held }) => party === 'lim' && held?.code === 'invitation-limited').length === 2, 60_000, 200);
    await tell(aceso, 'ANN-2', NPI.ann);
    await sees(ann, 'ANN-2');
  });

  it('to a server that is away is another state', async () => {
    await hospitals.stAnne.stop();
    await tell(aceso, 'AWAY-1', NPI.away);
    const away = await heldAs('away', 'invitation-unreachable');
    expect(away.members).to.deep.equal({ [`@away:${hospitals.stAnne.serverName}`]: 'unreachable' });
  });

  it('goes out by itself once the limit is lifted and the server is back: nothing is lost', async () => {
    const lifted = { per_second: 1000, burst_count: 1000 };
    await hospitals.stAnne.reconfigure({ rc_invites: { per_room: lifted, per_user: lifted, per_issuer: lifted } });
    const [lim, away] = await Promise.all([client('lim', { joinInvites: false }), client('away', { joinInvites: false })]);
    for (const each of [lim, away]) {
      const { roomId } = await until('the invitation of the guardian', () => each.invitations.find(({ invitedBy }) => invitedBy.startsWith(`@${slot.prefix}`)), 60_000);
      await accept(each, roomId);
    }
    await Promise.all([isFree('lim'), isFree('away')]);
    await Promise.all([sees(lim, 'LIM-1'), sees(lim, 'LIM-2'), sees(away, 'AWAY-1')]);
    expect([...lim.undecryptable, ...away.undecryptable]).to.deep.equal([]);
  });
});
