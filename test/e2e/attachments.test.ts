import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client, SeenMessage } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { potassiumReport } from '../support/fhir.ts';
import { cda, pdf, png, text } from '../support/files.ts';
import { dumpDatabase, sharedHospitals, type Hospitals } from '../support/lab.ts';
import { inReplyTo, opened, type EncryptedFile } from '../support/media.ts';
import { about, sees } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '4000000001';
const MARK = 'CANARYinFile';
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const form = (bytes: Uint8Array, contentType: string, title = 'Histology of Rosa Quintana'): object => ({ contentType, title, data: base64(bytes) });
const withFiles = (accession: string, presentedForm: readonly object[], change: Parameters<typeof potassiumReport>[0] = {}): object => ({ ...potassiumReport({ accession, npi: NPI, ...change }), presentedForm });

describe('The files of a result, from the push at Mercy to a clinician\'s client at St. Anne', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client;

  before(async () => {
    hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('ada-files', 'password-of-ada');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'ada-files', password: 'password-of-ada' });
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }],
      people: [{ id: 'ada-files', name: 'Dr. Ada Files', user_id: user, npi: NPI }], source: { attachments: { max_bytes: 3_000_000 } },
    });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    aceso.remove();
  });

  const filesOf = (message: SeenMessage): readonly SeenMessage[] => ada.messages.filter(({ content }) => 'file' in content && inReplyTo(content) === message.eventId);
  const files = (message: SeenMessage, count: number): Promise<readonly SeenMessage[]> => until(`${count} files of ${message.eventId}`, () => (filesOf(message).length >= count ? filesOf(message) : undefined), 60_000);

  const given = { pdf: pdf(MARK), png, cda: cda(MARK) };

  it('come after their message as replies to it, under names that tell nothing, and open to the very bytes that were pushed', async () => {
    const answer = await aceso.push('/DiagnosticReport', withFiles('F-1', [form(given.pdf, 'application/pdf'), form(given.png, 'image/png'), form(given.cda, 'text/xml'), form(text('<html>'), 'text/html', 'Viewer')]));
    expect(answer.status, answer.text).to.equal(201);
    const message = await sees(ada, 'F-1', 60_000);
    const seen = await files(message, 3);
    expect(seen.map(({ content }) => [content['msgtype'], content['body']])).to.deep.equal([['m.file', 'report-1.pdf'], ['m.image', 'report-2.png'], ['m.file', 'report-3.xml']]);
    expect(String(message.content['body'])).to.include('• Viewer (text/html): attachment not sent: it holds scripts');
    expect(JSON.stringify(message.content['org.aceso.fhir']), 'the bytes are not sent twice').not.to.include(base64(given.pdf));
    for (const [index, bytes] of [given.pdf, given.png, given.cda].entries()) {
      const { wasEncrypted, content } = seen[index] ?? message;
      expect(wasEncrypted).to.equal(true);
      expect(await opened(hospitals.stAnne, ada, content['file'] as EncryptedFile)).to.deep.equal(Buffer.from(bytes));
      expect(content['org.aceso.attachment'], 'FHIR\'s own hash leads from the resource to the file').to.deep.equal({ hash: createHash('sha1').update(bytes).digest('base64') });
    }
    const { presentedForm } = JSON.parse(String(message.content['org.aceso.fhir'])) as { readonly presentedForm: readonly { readonly hash: string }[] };
    expect(presentedForm.slice(0, 3).map(({ hash }) => hash)).to.deep.equal(seen.map(({ content }) => (content['org.aceso.attachment'] as { readonly hash: string }).hash));
    expect(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).to.match(/^aceso_attachments_total\{outcome="taken",kind="pdf"\} 1$/mu).and.to.match(/^aceso_attachments_total\{outcome="active-content",kind=""\} 1$/mu);
    expect((await aceso.delivery('sent', ({ files: sent = [] }) => sent.length === 3 && sent.every(({ eventId }) => eventId !== undefined))).phase).to.equal('sent');
  });

  it('are given to nobody who isn\'t logged in, at either hospital', async () => {
    const [file] = ada.messages.flatMap(({ content }) => ('file' in content ? [content['file'] as EncryptedFile] : []));
    if (!file) throw new Error('no file came');
    for (const { baseUrl } of [hospitals.stAnne, hospitals.mercy]) {
      const path = file.url.slice('mxc://'.length);
      expect((await fetch(`${baseUrl}/_matrix/media/v3/download/${path}`)).status, 'the old endpoint').to.equal(404);
      expect((await fetch(`${baseUrl}/_matrix/client/v1/media/download/${path}`)).status, 'without a token').to.equal(401);
    }
  });

  it('and their titles are readable nowhere at rest: not at either homeserver, not at Aceso', async () => {
    const opaque = [MARK, 'Histology', base64(given.pdf).slice(100, 160), base64(given.cda).slice(100, 160)];
    const texts = await Promise.all([hospitals.mercy, hospitals.stAnne].map(async (hospital) => [await dumpDatabase(hospital), ...filesUnder(join(hospital.dataDir, 'media')), readFileSync(hospital.logFile, 'latin1')]));
    expect(texts.every(([, ...media]) => media.length > 3), 'the media are there').to.equal(true);
    for (const each of [...texts.flat(), ...filesUnder(aceso.folder)]) for (const mark of opaque) expect(each.includes(mark), mark).to.equal(false);
  });

  it('come again with a correction only when they changed', async () => {
    const corrected = { status: 'corrected', value: 4.2, flag: 'N' } as const;
    expect((await aceso.push('/DiagnosticReport', withFiles('F-1', [form(given.pdf, 'application/pdf'), form(pdf('amended'), 'application/pdf')], corrected))).status).to.equal(201);
    const message = await ada.waitForMessage((each) => about('F-1')(each) && String(each.content['body']).includes('CORRECTED'), 60_000);
    expect((await files(message, 1)).map(({ content }) => content['body'])).to.deep.equal(['report-2.pdf']);
    await aceso.delivery('the correction whole', ({ news, files: sent = [] }) => news === 'correction' && sent.length === 1 && sent[0]?.eventId !== undefined);
    expect(filesOf(message).length).to.equal(1);
  });

  it('count as seen, and answered, when their reader does so with the file', async () => {
    expect((await aceso.push('/DiagnosticReport', withFiles('F-2', [form(pdf('F-2'), 'application/pdf')]))).status).to.equal(201);
    const message = await sees(ada, 'F-2');
    const [file] = await files(message, 1);
    if (!file) throw new Error('no file');
    await aceso.delivery('the file is noted', ({ eventId, files: sent = [] }) => eventId === message.eventId && sent[0]?.eventId === file.eventId);
    await ada.reply(file.roomId, file.eventId, 'Seen the histology.');
    await aceso.delivery('answered', ({ eventId, phase }) => eventId === message.eventId && phase === 'answered');
  });

  it('that are larger than this homeserver takes are told in words, hold the delivery visibly, and hold up nothing behind it', async () => {
    const large = pdf('x', `<< /Length 2500000 >>\nstream\n${'0'.repeat(2_500_000)}\nendstream`);
    expect((await aceso.push('/DiagnosticReport', withFiles('F-3', [form(large, 'application/pdf')]))).status).to.equal(201);
    const message = await sees(ada, 'F-3');
    const notice = await ada.waitForMessage(({ content }) => String(content['body']).startsWith('Attachment report-1.pdf could not be sent: it is larger than the homeserver takes.'));
    expect(inReplyTo(notice.content)).to.equal(message.eventId);
    const held = await aceso.delivery('held', ({ eventId, held: hold }) => eventId === message.eventId && hold?.code === 'attachment-too-large');
    expect([held.phase, held.held?.owner, held.files?.[0]?.failed]).to.deep.equal(['sent', 'Laboratory desk, ext. 4410', 'too-large']);
    expect((await aceso.push('/DiagnosticReport', potassiumReport({ accession: 'F-4', npi: NPI }))).status).to.equal(201);
    await sees(ada, 'F-4');
    await aceso.cli('held', 'retry', held.id);
    await aceso.delivery('tried again', ({ id, history }) => id === held.id && history.some(({ what }) => what.startsWith('tried again')));
    await ada.reply(notice.roomId, notice.eventId, 'I have looked it up.');
    await aceso.delivery('answered, and no more held', ({ id, phase, held: hold }) => id === held.id && phase === 'answered' && hold === undefined);
  });

  for (const step of ['courier.media-journalled', 'courier.put:2'] as const) {
    it(`arrive once when Aceso is killed at ${step}`, async () => {
      await aceso.stop();
      await aceso.start({ ACESO_TEST_KILL_AT: step });
      await aceso.push('/DiagnosticReport', withFiles(`F-${step}`, [form(pdf(step), 'application/pdf')]));
      await until(`Aceso to be killed at ${step}`, () => aceso.ended(), 60_000);
      expect(aceso.ended()).to.equal('SIGKILL');
      await aceso.start();
      const message = await sees(ada, `F-${step}`);
      const [file] = await files(message, 1);
      expect(await opened(hospitals.stAnne, ada, file?.content['file'] as EncryptedFile)).to.deep.equal(Buffer.from(pdf(step)));
      await aceso.delivery('whole', ({ eventId, files: sent = [] }) => eventId === message.eventId && sent[0]?.eventId !== undefined);
      expect([filesOf(message).length, ada.messages.filter((each) => about(`F-${step}`)(each)).length], 'one file, one message').to.deep.equal([1, 1]);
    });
  }
});

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path).toString('latin1'));
}
