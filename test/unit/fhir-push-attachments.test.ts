import { expect } from 'chai';
import { createHash } from 'node:crypto';
import type { SourceConfig } from '../../bridges/fhir-push/index.ts';
import type { Arrival } from '../../src/ports/bridge.ts';
import { arrivalsOf, one, transaction, url } from '../fixtures/fhir/extract.ts';
import { cda, jpeg, objectStream, pdf, png, text, tiff } from '../support/files.ts';

type Bytes = Uint8Array<ArrayBuffer>;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('base64');
const patient = { reference: 'Patient/1' };
const reportWith = (...presentedForm: readonly object[]): object => ({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Histology' }, subject: patient, identifier: [{ value: 'H-1' }], presentedForm });
const attachment = (bytes: Uint8Array, contentType?: string, more: object = {}): object => ({ ...(contentType === undefined ? { contentType: 'application/octet-stream' } : { contentType }), data: base64(bytes), ...more });
const report = (resource: object, changes: Partial<SourceConfig> = {}): Promise<Arrival> => one(resource, '/DiagnosticReport', changes);

/** `pdf`, or why not, of each attachment. */
const verdicts = ({ report: { attachments = [] } }: Arrival): readonly string[] => attachments.map((each) => ('refused' in each ? each.refused : 'awaited' in each ? `at ${each.awaited.address}` : each.type));
const verdictOn = async (bytes: Uint8Array, contentType?: string): Promise<string | undefined> => verdicts(await report(reportWith(attachment(bytes, contentType))))[0];
const filesOf = ({ files }: Arrival): readonly string[] => [...files.values()].map(base64);

describe('fhir-push sends on of the files that come with a result', () => {
  const SENT: readonly (readonly [string, Bytes, string | undefined, string])[] = [
    ['a PDF', pdf('Histology'), 'application/pdf', 'pdf'],
    ['a PDF whose objects are compressed', pdf('Histology', objectStream('1 0 << /Type /Annot >>')), 'application/pdf', 'pdf'],
    ['a JPEG under an unregistered name', jpeg, 'image/jpg', 'jpeg'],
    ['a PNG', png, 'image/png', 'png'],
    ['a TIFF', tiff, 'image/tiff', 'tiff'],
    ['a CDA document, by its root element', cda('Adenoma'), 'application/hl7-cda+xml', 'cda'],
    ['a CDA document called XML', cda('Adenoma', ''), 'text/xml; charset=utf-8', 'cda'],
    ['text', text('Adenoma.\r\n\tClear margins < 1 mm.\n'), 'text/plain', 'text'],
    ['what is declared as any bytes, for what it is', pdf('Histology'), undefined, 'pdf'],
  ];
  for (const [what, bytes, declared, expected] of SENT) {
    it(what, async () => {
      const arrival = await report(reportWith(attachment(bytes, declared)));
      expect(verdicts(arrival)).to.deep.equal([expected]);
      expect(filesOf(arrival), 'byte for byte').to.deep.equal([base64(bytes)]);
    });
  }

  it('what lies in a Binary of the bundle, in a contained one, in a Media and in a DocumentReference', async () => {
    const [first] = await arrivalsOf(transaction({
      1: { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: '7' }], name: [{ family: 'Quintana' }] },
      2: { resourceType: 'Binary', contentType: 'application/pdf', data: base64(pdf('one')) },
      3: { resourceType: 'Media', status: 'completed', subject: { reference: url(1) }, content: attachment(png, 'image/png') },
      4: { ...reportWith({ contentType: 'application/pdf', title: 'Histology', url: url(2) }, { url: '#b' }), subject: { reference: url(1) }, contained: [{ resourceType: 'Binary', id: 'b', contentType: 'image/jpeg', data: base64(jpeg) }], media: [{ comment: 'Slide 3', link: { reference: url(3) } }] },
    }));
    if (first === undefined) throw new Error('nothing came');
    expect(first.report.attachments?.map(({ title }) => title)).to.deep.equal(['Histology', undefined, 'Slide 3']);
    expect(verdicts(first)).to.deep.equal(['pdf', 'jpeg', 'png']);
    const message = await one({ resourceType: 'Communication', status: 'completed', subject: patient, contained: [{ resourceType: 'DocumentReference', id: 'd', status: 'current', subject: patient, description: 'Referral', content: [{ attachment: attachment(cda('x'), 'text/xml') }] }], payload: [{ contentAttachment: attachment(png, 'image/png') }, { contentReference: { reference: '#d' } }] }, '/Communication');
    expect(verdicts(message)).to.deep.equal(['png', 'cda']);
    expect(message.report.notes).to.deep.equal([]);
  });

  it('each once, however often it is listed', async () => expect(verdicts(await report(reportWith(attachment(png, 'image/png'), attachment(png, 'image/png'))))).to.deep.equal(['png']));

  it('what can be shown at once, with its width and height', async () => {
    const { report: { attachments } } = await report(reportWith(attachment(png, 'image/png'), attachment(jpeg, 'image/jpeg')));
    expect(attachments?.map((each) => ('size' in each ? each.size : undefined))).to.deep.equal([{ width: 1, height: 1 }, { width: 1, height: 1 }]);
  });
});

describe('fhir-push keeps back, and says so, of the files that come with a result', () => {
  const REFUSED: readonly (readonly [string, Bytes, string | undefined, string])[] = [
    ['a PNG that is called a PDF', png, 'application/pdf', 'type-mismatch'],
    ['text that is called a PDF', text('Hello'), 'application/pdf', 'type-mismatch'],
    ['a PDF that is called an image', pdf('x'), 'image/png', 'type-mismatch'],
    ['a Windows program', text('MZ\u0000\u0003program'), 'application/octet-stream', 'type-not-allowed'],
    ['a Linux program that is called a PDF', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0]), 'application/pdf', 'type-not-allowed'],
    ['a ZIP archive, and so every Office document', text('PK\u0003\u0004\u0014\u0000'), 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'type-not-allowed'],
    ['a program for a shell', text('#!/bin/sh\nrm -r /\n'), 'text/plain', 'type-not-allowed'],
    ['bytes that are nothing known', new Uint8Array([0, 1, 2, 3, 4]), 'application/octet-stream', 'type-not-allowed'],
    ['HTML', text('<!DOCTYPE html><html><body>6.8</body></html>'), 'text/html', 'active-content'],
    ['HTML that is called text', text('\n  <html><script>alert(1)</script></html>'), 'text/plain', 'active-content'],
    ['SVG', text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), 'image/svg+xml', 'active-content'],
    ['XML of another kind', text('<?xml version="1.0"?><note/>'), 'application/xml', 'type-not-allowed'],
    ['XML with the name of a CDA document and another namespace', text('<ClinicalDocument xmlns="urn:other"/>'), 'text/xml', 'type-not-allowed'],
    ['a CDA document with entities', cda('x', '<!DOCTYPE ClinicalDocument [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), 'text/xml', 'active-content'],
    ['a CDA document that loads a style sheet from elsewhere', cda('x', '<?xml-stylesheet type="text/xsl" href="https://evil.example/x.xsl"?>'), 'text/xml', 'active-content'],
    ['a CDA document with a script of another namespace', cda('<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>'), 'text/xml', 'active-content'],
    ['a PDF with a script', pdf('x', '<< /S /JavaScript /JS (app.alert(1)) >>'), 'application/pdf', 'active-content'],
    ['a PDF with a script whose name is disguised', pdf('x', '<< /S /J#61vaScrip#74 /JS (app.alert(1)) >>'), 'application/pdf', 'active-content'],
    ['a PDF with a script among compressed objects', pdf('x', objectStream('1 0 << /S /JavaScript /JS (app.alert(1)) >>')), 'application/pdf', 'active-content'],
    ['a PDF that starts a program', pdf('x', '<< /S /Launch /F (cmd.exe) >>'), 'application/pdf', 'active-content'],
    ['a PDF that carries another file', pdf('x', '<< /Type /EmbeddedFile /Length 0 >>\nstream\n\nendstream'), 'application/pdf', 'active-content'],
    ['a PDF that is protected', pdf('x', '<< /Encrypt 9 0 R >>'), 'application/pdf', 'unreadable'],
    ['a PDF whose compressed objects can\'t be read', pdf('x', '<< /Type /ObjStm /Filter /LZWDecode /Length 1 >>\nstream\nx\nendstream'), 'application/pdf', 'unreadable'],
    ['text that is blank', text(' \n'), 'text/plain', 'unreadable'],
  ];
  for (const [what, bytes, declared, expected] of REFUSED) it(what, async () => expect(await verdictOn(bytes, declared)).to.equal(expected));

  it('more than the source may send, larger than it may, and kinds that the hospital left out', async () => {
    const three = reportWith(attachment(pdf('1'), 'application/pdf'), attachment(pdf('2'), 'application/pdf'), attachment(png, 'image/png'));
    expect(verdicts(await report(three, { attachments: { maxCount: 2 } }))).to.deep.equal(['pdf', 'pdf', 'too-many']);
    expect(verdicts(await report(three, { attachments: { maxBytes: 100 } }))).to.deep.equal(['too-large', 'too-large', 'png']);
    expect(verdicts(await report(three, { attachments: { types: ['png'] } }))).to.deep.equal(['type-not-allowed', 'type-not-allowed', 'png']);
    expect(verdicts(await report(three, { attachments: { maxCount: 0 } }))).to.deep.equal(['too-many', 'too-many', 'too-many']);
  });

  it('what is not as long as it says, or has another hash; what says both right is sent', async () => {
    const file = pdf('x');
    expect(verdicts(await report(reportWith(
      attachment(file, 'application/pdf', { size: file.length, hash: sha1(file) }), attachment(png, 'image/png', { size: png.length + 1 }), attachment(jpeg, 'image/jpeg', { hash: sha1(png) }),
    )))).to.deep.equal(['pdf', 'damaged', 'damaged']);
  });

  it('what is only named, or lies elsewhere: nothing is fetched', async () => {
    const arrival = await report({ ...reportWith({ title: 'Full text' }, { url: 'https://lis.mercy.example/Binary/9', contentType: 'application/pdf' }), media: [{ link: { reference: 'Media/4', display: 'Slide' } }] });
    expect(verdicts(arrival)).to.deep.equal(['elsewhere', 'elsewhere', 'elsewhere']);
    expect([...arrival.files]).to.deep.equal([]);
  });

  describe('where the hospital has files fetched', () => {
    const fhirBase = 'https://lis.mercy.example/r4';
    const changes: Partial<SourceConfig> = { fhirBase, attachments: { fetches: 'under-base' } };

    it('leaves those to be fetched that lie below the source\'s base, and no other', async () => {
      const arrival = await report({
        ...reportWith({ url: 'Binary/1', contentType: 'application/pdf', size: 7, hash: sha1(png) }, { url: `${fhirBase}/Binary/2` }, { url: 'https://lis.mercy.example/other/Binary/3' }, { url: `${fhirBase}/../Binary/4` }, { title: 'nowhere' }),
        media: [{ link: { reference: 'Media/4' } }, { link: { reference: 'Binary/5' } }],
      }, changes);
      expect(verdicts(arrival)).to.deep.equal([`at ${fhirBase}/Binary/1`, `at ${fhirBase}/Binary/2`, 'elsewhere', 'elsewhere', 'elsewhere', 'elsewhere', `at ${fhirBase}/Binary/5`]);
      const [first] = arrival.report.attachments ?? [];
      expect(first && 'awaited' in first && first.awaited).to.deep.equal({ address: `${fhirBase}/Binary/1`, declared: ['application/pdf'], bytes: '7', sha1: sha1(png) });
    });

    it('takes a relative address for one of the server on which the resource lives', async () => {
      const entry = (base: string): object => ({ resourceType: 'Bundle', type: 'collection', entry: [{ fullUrl: `${base}/DiagnosticReport/7`, resource: { ...reportWith({ url: 'Binary/1' }), id: '7' } }] });
      expect(verdicts(await one(entry(fhirBase), '/', changes))).to.deep.equal([`at ${fhirBase}/Binary/1`]);
      expect(verdicts(await one(entry('https://elsewhere.example/r4'), '/', changes))).to.deep.equal(['elsewhere']);
    });

    it('counts them among those that it may send, and has a changed one fetched again', async () => {
      expect(verdicts(await report(reportWith({ url: 'Binary/1' }, attachment(png, 'image/png'), { url: 'Binary/2' }), { ...changes, attachments: { fetches: 'under-base', maxCount: 2 } }))).to.deep.equal([`at ${fhirBase}/Binary/1`, 'png', 'too-many']);
      const keyOf = async (hash: string): Promise<string | undefined> => (await report(reportWith({ url: 'Binary/1', hash }), changes)).report.attachments?.[0]?.key;
      expect(await keyOf(sha1(png))).not.to.equal(await keyOf(sha1(jpeg)));
    });
  });

  it('a Media of another patient refuses the whole, as a part of another patient does', async () => {
    const body = { ...reportWith(), presentedForm: undefined, contained: [{ resourceType: 'Media', id: 'm', status: 'completed', subject: { reference: 'Patient/2' }, content: attachment(png, 'image/png') }], media: [{ link: { reference: '#m' } }] };
    expect(await report(body).then(() => 'taken', String)).to.match(/subject of this Media/u);
  });
});

describe('fhir-push passes the resource on without the bytes of its files', () => {
  it('with size and hash in their place, digits kept, and nothing else changed', async () => {
    const file = pdf('x');
    const resource = reportWith({ contentType: 'application/pdf', title: 'Histology', data: base64(file) }, attachment(text('<html>'), 'text/html'));
    const { resource: passed } = await report(resource);
    expect(JSON.parse(passed)).to.deep.equal({ ...resource, presentedForm: [{ contentType: 'application/pdf', title: 'Histology', size: file.length, hash: sha1(file) }, { contentType: 'text/html', size: 6, hash: sha1(text('<html>')) }] });
    expect(passed).not.to.include(base64(file)).and.not.to.include(base64(text('<html>')));
  });

  it('and with the data of what is no file: sampled data keeps its own', async () => {
    const observation = { resourceType: 'Observation', status: 'final', code: { text: 'ECG' }, subject: patient, valueSampledData: { origin: { value: 2048 }, period: 10, dimensions: 1, data: '2041 2043 E U' } };
    expect(JSON.parse((await one(observation, '/Observation')).resource)).to.deep.equal(observation);
  });
});

describe('fhir-push takes a report whose file alone has changed', () => {
  it('as another version, also where If-None-Exist finds the first', async () => {
    const names = (arrival: Arrival): string | undefined => arrival.names.find((name) => name.includes('_content'));
    const [a, b] = [await report(reportWith(attachment(pdf('a'), 'application/pdf'))), await report(reportWith(attachment(pdf('b'), 'application/pdf')))];
    expect(a.key).not.to.equal(b.key);
    expect(a.reportKey).to.equal(b.reportKey);
    expect(names(a)).not.to.equal(names(b));
  });
});
