import { expect } from 'chai';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { messageIndex } from '../chaos/megolm.ts';
import { loadConfig } from '../../src/config/load.ts';
import { diagnose } from '../../src/main/doctor/doctor.ts';
import type { Finding } from '../../src/main/doctor/finding.ts';
import { createAceso, newAceso, type Aceso } from '../support/aceso.ts';
import type { Client, SeenMessage } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI, potassiumReport } from '../support/fhir.ts';
import { temporaryFolder } from '../support/folders.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

describe('A machine that is lost, and its backup restored on an empty one', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let lost: Aceso;
  let restored: Aceso;
  let ada: Client;
  let courier: string;

  const carrying = (accession: string): readonly SeenMessage[] => ada.messages.filter(({ content }) => String(content['body']).includes(accession));
  const deliver = async (aceso: Aceso, accession: string): Promise<SeenMessage> => {
    const { status, text } = await aceso.push('/DiagnosticReport', potassiumReport({ accession }));
    expect(status, text).to.equal(201);
    return ada.waitForMessage(({ content }) => String(content['body']).includes(accession), 60_000);
  };
  type Keys = { readonly device_keys: Readonly<Record<string, Readonly<Record<string, unknown>>>>; readonly master_keys: Readonly<Record<string, { readonly keys: Readonly<Record<string, string>> }>> };
  const keysOf = async (): Promise<Keys> => (await matrix(hospitals.stAnne.baseUrl, '/_matrix/client/v3/keys/query', { token: ada.accessToken, body: { device_keys: { [courier]: [] } } })) as unknown as Keys;
  let keysBefore: Keys;

  before(async () => {
    hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('ada-restore', 'ada-password');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'ada-restore', password: 'ada-password' });
    const slot = hospitals.takeSlot();
    const options = { mercy: hospitals.mercy, slot, partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: user, npi: ADA_NPI }] };
    courier = `@${slot.prefix}courier:${hospitals.mercy.serverName}`;
    const httpPort = await freePort();
    lost = await newAceso({ ...options, httpPort });
    await lost.start();
    const first = await deliver(lost, 'B-1');
    await lost.delivery('sent', ({ phase }) => phase === 'sent');
    await lost.cli('backup', join(lost.folder, 'b.aceso-backup'));
    await deliver(lost, 'B-2');
    keysBefore = await keysOf();
    await lost.kill();
    const folder = temporaryFolder('restored');
    await lost.cli('restore', join(lost.folder, 'b.aceso-backup'), '--into', folder, '--keys', join(lost.folder, 'keys.json'), '--allow', dirname(slot.registrationFile));
    restored = createAceso({ ...options, folder, token: lost.token }, httpPort, await freePort());
    // Somebody takes the homeserver's transactions, and is lost with them.
    const deaf = createServer((request, response) => { request.resume().on('end', () => response.end('{}')); });
    await new Promise<void>((resolve) => { deaf.listen(slot.port, '127.0.0.1', resolve); });
    const heard = new Promise<void>((resolve) => { deaf.on('request', (request) => { if (request.method === 'PUT') resolve(); }); });
    await ada.read(first.roomId, first.eventId);
    await heard;
    await new Promise((resolve) => { deaf.close(resolve); deaf.closeAllConnections(); });
    await restored.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), lost.kill(), restored.stop()]);
    lost.remove();
    restored.remove();
  });

  it('is used by a new device of the same identity', async () => {
    await deliver(restored, 'B-3');
    const { device_keys: devices, master_keys: masters } = await keysOf();
    const [old] = Object.keys(keysBefore.device_keys[courier] ?? {});
    expect(Object.keys(devices[courier] ?? {}), 'the lost one is signed out').to.have.length(1).and.not.to.include(old);
    expect(masters[courier]?.keys).to.deep.equal(keysBefore.master_keys[courier]?.keys);
  });

  it('sends no second message for what had been sent after the backup, when its source sends that again', async () => {
    const [sent] = carrying('B-2');
    expect((await restored.push('/DiagnosticReport', potassiumReport({ accession: 'B-2' }))).status, 'it was lost from the database').to.equal(201);
    await restored.delivery('found in the room', ({ eventId }) => eventId !== undefined && eventId === sent?.eventId);
    await deliver(restored, 'B-4');
    expect(['B-1', 'B-2', 'B-3', 'B-4'].map((accession) => carrying(accession).length)).to.deep.equal([1, 1, 1, 1]);
  });

  it('knows what happened meanwhile, though nobody heard the homeserver tell it', async () => {
    const [first] = carrying('B-1');
    await restored.delivery('B-1 was seen', ({ eventId, phase }) => eventId === first?.eventId && phase === 'seen');
    await until('the catching up to be done', () => restored.log().includes('catch-up.done'));
  });

  it('is found healthy by the doctor: the homeserver calls it, its device is signed, the partner answers', async () => {
    const { findings } = (await diagnose(loadConfig(restored.configFile))).json as { readonly findings: readonly Finding[] };
    const problems = findings.filter(({ level }) => level !== 'ok').map(({ what, is }) => `${what}: ${is}`);
    for (const what of ['server', 'registration', 'calls of the homeserver', 'guardian', 'courier', `partner ${hospitals.stAnne.serverName}`, 'source lab', 'keys', 'database']) expect(findings.find((finding) => finding.what === what)?.level, `${what}\n${problems.join('\n')}`).to.equal('ok');
    expect(findings.filter(({ level }) => level === 'fail'), problems.join('\n')).to.deep.equal([]);
  });

  it('used no message index twice, and everything can be read', async () => {
    const [first] = carrying('B-1');
    const { chunk } = (await matrix(hospitals.stAnne.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(first?.roomId ?? '')}/messages?dir=b&limit=100`, { token: ada.accessToken })) as unknown as { readonly chunk: readonly { readonly type: string; readonly content: { readonly session_id: string; readonly ciphertext: string } }[] };
    const indices = chunk.filter(({ type }) => type === 'm.room.encrypted').map(({ content }) => `${content.session_id} ${messageIndex(content.ciphertext)}`);
    expect(indices.length).to.equal(4);
    expect(new Set(indices).size).to.equal(4);
    expect(ada.undecryptable).to.deep.equal([]);
  });
});
