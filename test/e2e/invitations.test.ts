import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient, type JsClientOptions } from '../support/clients/jssdk.ts';
import { startHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix, text } from '../support/matrixHttp.ts';
import { asGuardian, heldList, membershipOf, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-invitations';
const NPI = { lim: '1000000011', dee: '1000000012', pat: '1000000013', far: '1000000014', ann: '1000000015', bob: '1000000016', new: '1000000017', team: '1000000018' } as const;
type Name = keyof typeof NPI;

describe('An invitation to a results room, at a partner with the limits that Synapse has by default', function () {
  this.timeout(60_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  const running: Client[] = [];
  const client = async (user: Name, options: Partial<JsClientOptions> = {}, at: 'stAnne' | 'mercy' = 'stAnne'): Promise<Client> => {
    const started = await startJsClient({ baseUrl: hospitals[at].baseUrl, user, password: PASSWORD, ...options });
    running.push(started);
    return started;
  };
  const roomOf = async (party: string): Promise<string> => (await aceso.delivery(`a delivery of ${party} with a room`, (each) => each.party === party && each.roomId !== undefined)).roomId ?? '';

  before(async () => {
    hospitals = await startHospitals({ partnerLimits: 'default', mercy: { slots: 1 } });
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const [lim = '', dee = '', pat = '', ann = '', fresh = ''] = await Promise.all((['lim', 'dee', 'pat', 'ann', 'new'] as const).map((user) => stAnne.register(user, PASSWORD)));
    const bob = await mercy.register('bob', PASSWORD);
    const person = (id: Name, userId: string): { readonly id: string; readonly name: string; readonly user_id: string; readonly npi: string } => ({ id, name: `Dr. ${id}`, user_id: userId, npi: NPI[id] });
    aceso = await newAceso({
      mercy, slot, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], patienceMinutes: 0.05,
      people: [person('lim', lim), person('dee', dee), person('pat', pat), person('ann', ann), person('bob', bob), person('new', fresh), person('far', '@far:elsewhere.example')],
      teams: [{ id: 'team', name: 'ICU', members: [ann, bob], identifiers: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: NPI.team }] }],
    });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([...running.map((each) => each.stop()), aceso.stop()]);
    aceso.remove();
    await hospitals.stop();
  });

  it('that the partner limits is a state that people can see; once the limit is lifted the message is delivered by itself', async () => {
    const { mercy, stAnne } = hospitals;
    const { accessToken } = await mercy.login('bob', PASSWORD);
    for (let count = 0; count < 5; count += 1) await matrix(mercy.baseUrl, '/_matrix/client/v3/createRoom', { token: accessToken, body: { invite: [`@lim:${stAnne.serverName}`] } });
    await tell(aceso, 'L-1', NPI.lim);
    const limited = await aceso.delivery('held, since invitations are limited', ({ party, held }) => party === 'lim' && held !== undefined, 40_000);
    console.log(JSON.stringify(limited.held), aceso.log().split('\n').filter((l) => l.includes('invite')).slice(-6));
    expect(limited.held?.code).to.equal('invitation-limited');
  });
});
