import { expect } from 'chai';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client, SeenMessage } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { potassiumReport } from '../support/fhir.ts';
import { pdf } from '../support/files.ts';
import { raw, resource, startFileServer, status, type FileServer } from '../support/fileServer.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { inReplyTo, opened, type EncryptedFile } from '../support/media.ts';
import { about, sees } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '4000000002';
const TOKEN = 'token-that-the-laboratory-gave-us';
/** An id of a Binary may name a patient. */
const MARK = 'QuintanaRosa1958';

describe('The files that a laboratory keeps on its own server, from there to a clinician\'s client at St. Anne', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let laboratory: FileServer;
  let aceso: Aceso;
  let ada: Client;

  before(async () => {
    hospitals = await sharedHospitals();
    laboratory = await startFileServer();
    const user = await hospitals.stAnne.register('ada-fetched', 'password-of-ada');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'ada-fetched', password: 'password-of-ada' });
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }],
      people: [{ id: 'ada-fetched', name: 'Dr. Ada Fetched', user_id: user, npi: NPI }], source: { fhir_base: laboratory.base, attachments: { fetch: { token_file: 'laboratory-token' } } },
    });
    writeFileSync(join(aceso.folder, 'laboratory-token'), `${TOKEN}\n`, { mode: 0o600 });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop(), laboratory.stop()]);
    aceso.remove();
  });

  const push = async (accession: string, ...ids: readonly string[]): Promise<SeenMessage> => {
    const answer = await aceso.push('/DiagnosticReport', { ...potassiumReport({ accession, npi: NPI }), ...(ids.length === 0 ? {} : { presentedForm: ids.map((id) => ({ contentType: 'application/pdf', title: 'Histology', url: `Binary/${id}` })) }) });
    expect(answer.status, answer.text).to.equal(201);
    return sees(ada, accession, 60_000);
  };
  const answersTo = ({ eventId }: SeenMessage): readonly SeenMessage[] => ada.messages.filter(({ content }) => inReplyTo(content) === eventId);
  const answers = (message: SeenMessage, count: number): Promise<readonly SeenMessage[]> => until(`${count} answers to ${message.eventId}`, () => (answersTo(message).length >= count ? answersTo(message) : undefined), 60_000);
  const bytesOf = ({ content }: SeenMessage): Promise<Buffer> => opened(hospitals.stAnne, ada, content['file'] as EncryptedFile);

  it('follow their message encrypted, as the very bytes that the laboratory has, whether it gives them as they are or as a FHIR Binary', async () => {
    laboratory.answer(`Binary/${MARK}-1`, raw(pdf('one'), 'application/pdf'));
    laboratory.answer(`Binary/${MARK}-2`, resource(pdf('two'), 'application/pdf'));
    const message = await push('G-1', `${MARK}-1`, `${MARK}-2`);
    expect(String(message.content['body'])).to.include('• report-1: Histology, is fetched from the sender and follows; until then see the record');
    const files = await answers(message, 2);
    expect(files.every(({ wasEncrypted }) => wasEncrypted)).to.equal(true);
    expect(files.map(({ content }) => String(content['body'])).sort()).to.deep.equal(['report-1.pdf', 'report-2.pdf']);
    for (const file of files) expect(await bytesOf(file)).to.deep.equal(Buffer.from(pdf(file.content['body'] === 'report-1.pdf' ? 'one' : 'two')));
    expect(new Set(laboratory.asked.map(({ authorization }) => authorization))).to.deep.equal(new Set([`Bearer ${TOKEN}`]));
    await aceso.delivery('whole', ({ files: sent = [] }) => sent.length === 2 && sent.every(({ eventId }) => eventId !== undefined));
  });

  it('hold up no result while the laboratory\'s server is away: somebody answers for it, and they follow when it is back', async () => {
    laboratory.answer(`Binary/${MARK}-3`, status(503));
    const message = await push('G-2', `${MARK}-3`);
    const held = await aceso.delivery('held', ({ eventId, held: hold }) => eventId === message.eventId && hold?.code === 'attachment-source-away');
    expect([held.phase, held.held?.owner]).to.deep.equal(['sent', 'Laboratory desk, ext. 4410']);
    await push('G-3');
    laboratory.answer(`Binary/${MARK}-3`, raw(pdf('three'), 'application/pdf'));
    await aceso.cli('held', 'retry', held.id);
    const [file] = await answers(message, 1);
    expect(file && await bytesOf(file)).to.deep.equal(Buffer.from(pdf('three')));
    await aceso.delivery('no more held', ({ eventId, held: hold, files: sent = [] }) => eventId === message.eventId && hold === undefined && sent[0]?.eventId !== undefined);
  });

  it('that are not what may be sent on are told in words under their message', async () => {
    laboratory.answer(`Binary/${MARK}-4`, raw(pdf('x', '<< /S /Launch /F (cmd.exe) >>'), 'application/pdf'));
    const message = await push('G-4', `${MARK}-4`);
    const [notice] = await answers(message, 1);
    expect(notice?.content['body']).to.equal('Attachment report-1 could not be sent: it holds scripts, programs or other files. See it in the record at Mercy General Hospital.');
    expect(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).to.match(/^aceso_attachments_total\{outcome="active-content",kind=""\} 1$/mu).and.to.match(/^aceso_attachments_total\{outcome="fetched",kind="pdf"\} 3$/mu);
  });

  it('arrive once when Aceso is killed once one is kept, and its effect is not done', async () => {
    laboratory.answer(`Binary/${MARK}-5`, raw(pdf('five'), 'application/pdf'));
    await aceso.stop();
    await aceso.start({ ACESO_TEST_KILL_AT: 'file.kept' });
    await aceso.push('/DiagnosticReport', { ...potassiumReport({ accession: 'G-5', npi: NPI }), presentedForm: [{ url: `Binary/${MARK}-5` }] });
    await until('Aceso to be killed', () => aceso.ended(), 60_000);
    expect(aceso.ended()).to.equal('SIGKILL');
    await aceso.start();
    const message = await sees(ada, 'G-5', 60_000);
    const [file] = await answers(message, 1);
    expect(file && await bytesOf(file)).to.deep.equal(Buffer.from(pdf('five')));
    await aceso.delivery('whole', ({ eventId, files: sent = [] }) => eventId === message.eventId && sent[0]?.eventId !== undefined);
    expect([answersTo(message).length, ada.messages.filter((each) => about('G-5')(each)).length], 'one file, one message').to.deep.equal([1, 1]);
  });

  it('leave their addresses, and the token, nowhere at rest, in no log and in no figure', async () => {
    const figures = await (await fetch(`${aceso.operationsUrl}/metrics`)).text();
    const texts = [figures, JSON.stringify(await aceso.deliveries()), ...filesUnder(aceso.folder).filter((path) => !path.endsWith('laboratory-token')).map((path) => readFileSync(path).toString('latin1'))];
    for (const text of texts) for (const mark of [MARK, TOKEN]) expect(text.includes(mark), mark).to.equal(false);
  });
});

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((path) => statSync(path).isFile());
}
