import { expect } from 'chai';
import { createDecipheriv, createHash } from 'node:crypto';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI, potassiumReport } from '../support/fhir.ts';
import { dumpDatabase, sharedHospitals, type Hospitals } from '../support/lab.ts';

describe('A laboratory result, from the push at Mercy to a clinician\'s device at St. Anne', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client;

  before(async () => {
    hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('ada', 'ada-password');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'ada', password: 'ada-password' });
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }],
      people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: user, npi: ADA_NPI }],
    });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('arrives end-to-end encrypted and readable', async () => {
    const answer = await aceso.push('/DiagnosticReport', potassiumReport());
    expect(answer.status, answer.text).to.equal(201);
    const message = await ada.waitForMessage(({ type }) => type === 'm.room.message', 60_000);
    expect(message.wasEncrypted).to.equal(true);
    const body = String(message.content['body']);
    for (const part of ['Quintana', '1958', '00481516', 'Mercy General Hospital', 'Potassium', '6.8', 'mmol/L', '3.5', 'HAEMOLYSED', 'Okafor', 'Mercy Laboratory', 'Harbor']) expect(body, part).to.include(part);
    expect(message.content['m.mentions']).to.deep.equal({ user_ids: [ada.userId] });
    expect(JSON.parse(String(message.content['org.aceso.fhir']))).to.deep.equal(potassiumReport());
  });

  it('is one delivery, with its history, in the command line', async () => {
    await aceso.delivery('sent', ({ eventId }) => eventId !== undefined);
    const [delivery] = await aceso.deliveries();
    expect(delivery?.party).to.equal('dr-okafor');
    expect(delivery?.critical).to.equal(true);
    expect(delivery?.history.map(({ what }) => what).join('\n')).to.match(/addressed to[\s\S]*results room[\s\S]*sent, encrypted for/u);
  });

  it('leaves nothing but ciphertext in both homeservers\' databases', async () => {
    for (const hospital of [hospitals.mercy, hospitals.stAnne]) {
      const dump = await dumpDatabase(hospital);
      for (const marker of ['Quintana', '00481516', 'Haemolysed', 'L-2026-3391']) expect(dump, `${marker} at ${hospital.name}`).not.to.include(marker);
      expect(dump).to.include('m.megolm.v1.aes-sha2');
    }
  });

  it('is the same delivery when it is pushed again', async () => {
    const again = await aceso.push('/DiagnosticReport', potassiumReport());
    expect(again.status, again.text).to.equal(200);
    expect((await aceso.deliveries()).length).to.equal(1);
  });

  it('becomes a new, notifying message when it is corrected, old and new side by side', async () => {
    const answer = await aceso.push('/DiagnosticReport', potassiumReport({ status: 'corrected', value: 4.2, flag: 'N' }));
    expect(answer.status, answer.text).to.equal(201);
    const message = await ada.waitForMessage(({ content }) => String(content['body']).includes('CORRECTED'), 60_000);
    expect(String(message.content['body'])).to.match(/6\.8[\s\S]*4\.2/u);
    // The first message may come before the client has asked for the courier's identity; from then on nothing is left to warn of.
    expect(message.shieldReason, 'sent by a device that its owner signed').to.equal(null);
    const correction = await aceso.delivery('the correction', ({ news }) => news === 'correction');
    expect(correction.supersedes).to.match(/-0$/u);
  });

  it('carries a resource beyond 40 KiB as encrypted media, which the other hospital can open', async () => {
    const big = { ...potassiumReport({ accession: 'L-BIG' }), text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${'long narrative '.repeat(4000)}</div>` } };
    expect((await aceso.push('/DiagnosticReport', big)).status).to.equal(201);
    const { content } = await ada.waitForMessage((message) => String(message.content['body']).includes('L-BIG'), 60_000);
    expect(content).not.to.have.property('org.aceso.fhir');
    const file = content['org.aceso.fhir.file'] as { readonly url: string; readonly key: { readonly k: string }; readonly iv: string; readonly hashes: { readonly sha256: string } };
    const media = await fetch(`${hospitals.stAnne.baseUrl}/_matrix/client/v1/media/download/${file.url.slice('mxc://'.length)}`, { headers: { authorization: `Bearer ${ada.accessToken}` } });
    const ciphertext = Buffer.from(await media.arrayBuffer());
    expect(createHash('sha256').update(ciphertext).digest('base64').replaceAll('=', '')).to.equal(file.hashes.sha256);
    const decipher = createDecipheriv('aes-256-ctr', Buffer.from(file.key.k, 'base64url'), Buffer.from(file.iv, 'base64'));
    expect(JSON.parse(Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8'))).to.deep.equal(big);
  });

  it('knows when it was seen, and that it was answered from a signed device', async () => {
    const message = ada.messages[0];
    if (!message) throw new Error('nothing to answer');
    await ada.read(message.roomId, message.eventId);
    await aceso.delivery('seen', ({ eventId, phase }) => eventId === message.eventId && phase === 'seen');
    await ada.reply(message.roomId, message.eventId, 'Thank you, treating now.');
    const delivery = await aceso.delivery('answered', ({ eventId, phase }) => eventId === message.eventId && phase === 'answered');
    expect(delivery.history.at(-1)?.what).to.include('its owner signed');
  });

  it('is told by the metrics, and Aceso stops in order within 10 s', async () => {
    const metrics = await (await fetch(`${aceso.operationsUrl}/metrics`)).text();
    expect(metrics).to.match(/^aceso_deliveries\{phase="answered"\} 1$/mu).and.to.match(/^aceso_delivery_seconds_count 3$/mu);
    const started = Date.now();
    await aceso.stop();
    expect(aceso.ended()).to.equal('code 0');
    expect(Date.now() - started).to.be.lessThan(10_000);
    expect(aceso.log()).to.include('aceso.stopped');
  });
});
