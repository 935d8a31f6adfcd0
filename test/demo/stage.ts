/** Everything the demo plays on: two hospitals, Aceso at one of them, a clinician's device at the other. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI } from '../support/fhir.ts';
import { startHospitals, type Hospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';
import { askFederation } from './evidence.ts';
import { acesoAtMercy, type AcesoAtMercy } from './mercy.ts';
import type { Ports } from './options.ts';
import type { Resources } from './resources.ts';
import { duration, type Screen } from './screen.ts';

export type Stage = {
  readonly hospitals: Hospitals;
  readonly aceso: AcesoAtMercy;
  /** The laboratory's bearer token. */
  readonly token: string;
  readonly ada: Client;
  readonly adaPassword: string;
  /** Ada's results room. */
  readonly roomId: string;
};

export type Parts = { readonly folder: string; readonly ports: Ports; readonly screen: Screen; readonly resources: Resources };

export async function setTheStage(parts: Parts): Promise<Stage> {
  const hospitals = await twoHospitals(parts);
  const { screen, resources, folder, ports } = parts;
  screen.step('What IT at Mercy does, once');
  const aceso = acesoAtMercy(join(folder, 'aceso'), { http: ports['aceso-fhir'], operations: ports['aceso-operations'] }, resources);
  const token = await configure(aceso, hospitals, parts);
  const adaPassword = randomBytes(9).toString('base64url');
  const [ada] = await Promise.all([adaLogsIn(hospitals, adaPassword, resources), register(aceso, hospitals, parts)]);
  const since = Date.now();
  await aceso.start();
  screen.command('aceso start', `ready after ${duration(Date.now() - since)}: the courier's device has its own keys, cross-signed, encrypted at rest`);
  const roomId = await enrol(aceso, ada, screen);
  return { hospitals, aceso, token, ada, adaPassword, roomId };
}

async function twoHospitals({ folder, ports, screen, resources }: Parts): Promise<Hospitals> {
  screen.step('Two hospitals, each with a real Synapse of its own');
  const since = Date.now();
  const hospitals = await resources.take(() => startHospitals({
    folder: join(folder, 'hospitals'),
    partnerLimits: 'default', // nobody has tuned St. Anne for Mercy's sake
    mercy: { ports: { client: ports['mercy-client'], federation: ports['mercy-federation'] } },
    stAnne: { ports: { client: ports['st-anne-client'], federation: ports['st-anne-federation'] } },
  }), (started) => started.stop());
  const both = [hospitals.mercy, hospitals.stAnne];
  const answers = await Promise.all(both.map(({ serverName }) => askFederation(serverName, hospitals.tls.caFile)));
  screen.rows(both.map(({ name, serverName, baseUrl }, index) => [name, `${answers[index]?.software ?? '?'}, server name ${serverName}, clients at ${baseUrl}`]));
  screen.check(`both are up after ${duration(Date.now() - since)}, and federate over ${answers[0]?.tls ?? '?'}`, answers.every(({ tls }) => tls.startsWith('TLSv1.3')), answers);
  return hospitals;
}

/** init, source, partner, person: gives the token of the source. */
async function configure(aceso: AcesoAtMercy, { mercy, stAnne, tls }: Hospitals, { ports, screen }: Parts): Promise<string> {
  screen.command(`mkdir ${aceso.folder} && cd ${aceso.folder}`);
  const init = ['init', '--organisation', 'Mercy General Hospital', '--server-name', mercy.serverName, '--homeserver-url', mercy.baseUrl, '--url', `http://127.0.0.1:${ports['aceso-appservice']}`];
  screen.command(`aceso ${init.map((word) => (word.includes(' ') ? `"${word}"` : word)).join(' ')}`, await aceso.run(...init));
  const made = await aceso.run('source', 'token', '--json');
  const { token, token_sha256: hash } = JSON.parse(made) as { readonly token: string; readonly token_sha256: string };
  screen.command('aceso source token --json', made);
  screen.command('edit aceso.yaml    # the source, the partner, the person, the policy server', aceso.edit({
    http: { port: ports['aceso-fhir'], public_url: aceso.baseUrl },
    operations: { port: ports['aceso-operations'] },
    policy_server: { server_name: `localhost:${ports['aceso-policy']}`, port: ports['aceso-policy'], tls: { certificate: tls.certificateFile, key: tls.keyFile }, federation_url: `https://${mercy.serverName}`, federation_ca: tls.caFile },
    partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }],
    sources: [{ id: 'lab', name: 'Mercy Laboratory', token_sha256: hash, owner: 'Laboratory desk, ext. 4410' }],
    directory: { people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: `@ada:${stAnne.serverName}`, npi: ADA_NPI }] },
  }));
  screen.command('aceso config check', await aceso.run('config', 'check'));
  return token;
}

async function register(aceso: AcesoAtMercy, { mercy }: Hospitals, { screen, resources }: Parts): Promise<void> {
  const since = Date.now();
  await resources.take(() => mercy.addAppservice(aceso.registrationFile), () => undefined);
  screen.command('edit homeserver.yaml && restart Synapse', `app_service_config_files: [${aceso.registrationFile}]\nMercy is back after ${duration(Date.now() - since)}`);
}

async function adaLogsIn({ stAnne }: Hospitals, password: string, resources: Resources): Promise<Client> {
  await stAnne.register('ada', password);
  return resources.take(() => startJsClient({ baseUrl: stAnne.baseUrl, user: 'ada', password, deviceName: 'Ada\'s phone (demo)', recovery: 'create', keyBackup: true }), (client) => client.stop());
}

async function enrol(aceso: AcesoAtMercy, ada: Client, screen: Screen): Promise<string> {
  const said = await aceso.run('people', 'enrol', 'dr-okafor');
  const since = Date.now();
  screen.command('aceso people enrol dr-okafor', said);
  const roomId = await until('Ada to be in her results room', () => [...ada.joinedRooms][0], 30_000);
  screen.say(`Ada, at St. Anne, is on matrix-js-sdk with its own encryption (device ${ada.deviceId}, signed by her). It shows an invitation from ${ada.invitations[0]?.invitedBy ?? '?'} and accepts it: in the room ${duration(Date.now() - since)} later.`);
  return roomId;
}
