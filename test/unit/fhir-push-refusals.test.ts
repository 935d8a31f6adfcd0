import { expect } from 'chai';
import { endpoint, fixture, fixtureText, issuesOf } from '../fixtures/fhir/endpoint.ts';
import type { Sent } from '../fixtures/fhir/endpoint.ts';

const text = fixtureText('potassium-report');
const report = (change: (resource: Record<string, unknown>) => void): string => {
  const resource = fixture('potassium-report');
  change(resource);
  return JSON.stringify(resource);
};
const ofAnotherPatient = (id: string): string => report((it) => {
  const contained = it['contained'] as Record<string, unknown>[];
  for (const each of contained) if (each['id'] === id) each['subject'] = { identifier: { system: 'urn:oid:2.16.840.1.113883.19.5.1', value: 'MRN-OTHER' } };
});
const observation = (more: object): object => ({ resourceType: 'Observation', status: 'final', code: { text: 'Potassium' }, subject: { reference: 'Patient/1' }, valueString: 'x', ...more });
const nested = (depth: number): string => `{"resourceType":"DiagnosticReport","extension":${'[{"extension":'.repeat(depth)}[]${'}]'.repeat(depth)}}`;

const to = (path: string, body: Sent['body'], headers: Sent['headers'] = {}): Sent => ({ path, headers, ...(body === undefined ? {} : { body }) });
const toReports = (body: Sent['body'], headers: Sent['headers'] = {}): Sent => to('/DiagnosticReport', body, headers);
const toObservations = (more: object): Sent => to('/Observation', observation(more));

/** Given this request, the answer has this status and these issues (`code expression`), and nothing is handed on. */
const REFUSALS: readonly (readonly [given: string, request: Sent, status: number, issues: readonly string[]])[] = [
  // Who calls, decided before the body is read.
  ['no token', toReports(text, { authorization: undefined }), 401, ['login']],
  ['a wrong token', toReports(text, { authorization: 'Bearer wrong' }), 401, ['login']],
  ['the right token under another scheme', toReports(text, { authorization: 'Basic lab-token-for-tests' }), 401, ['login']],
  ['a token with more behind it', toReports(text, { authorization: 'Bearer lab-token-for-tests x' }), 401, ['login']],
  // What is asked for.
  ['a path that is not there', to('/Nonsense', text), 404, ['not-found']],
  ['a resource type that is not taken', to('/Medication', '{}'), 404, ['not-found']],
  ['an instance', { method: 'GET', path: '/DiagnosticReport/1' }, 404, ['not-found']],
  ['a path that climbs', to('/../etc/passwd', text), 404, ['not-found']],
  ['a search', { method: 'GET', path: '/DiagnosticReport' }, 405, ['not-supported']],
  ['an update', { method: 'PUT', path: '/DiagnosticReport', body: text }, 405, ['not-supported']],
  ['metadata by POST', to('/metadata', '{}'), 405, ['not-supported']],
  // Formats.
  ['XML', toReports('<DiagnosticReport xmlns="http://hl7.org/fhir"/>', { 'content-type': 'application/fhir+xml' }), 415, ['not-supported']],
  ['a form', toReports('a=b', { 'content-type': 'application/x-www-form-urlencoded' }), 415, ['not-supported']],
  ['no content type', toReports(text, { 'content-type': undefined }), 415, ['not-supported']],
  ['another character set', toReports(text, { 'content-type': 'application/fhir+json; charset=iso-8859-1' }), 415, ['not-supported']],
  ['another version of FHIR', toReports(text, { 'content-type': 'application/fhir+json; fhirVersion=5.0' }), 415, ['not-supported']],
  ['a compressed body', toReports(text, { 'content-encoding': 'gzip' }), 415, ['not-supported']],
  ['a client that takes XML only', toReports(text, { accept: 'application/fhir+xml' }), 406, ['not-supported']],
  ['a client that wants anything but JSON', toReports(text, { accept: 'application/fhir+json;q=0' }), 406, ['not-supported']],
  ['_format=xml', { path: '/DiagnosticReport', query: '_format=xml', body: text }, 406, ['not-supported']],
  // Size.
  ['50 MB, declared', toReports('', { 'content-length': '52428800' }), 413, ['too-long']],
  ['50 MB, found while reading', toReports(Buffer.alloc(50 * 1024 * 1024, 0x20)), 413, ['too-long']],
  ['more entries than allowed', to('/', { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 501 }, () => ({ request: { method: 'POST', url: 'Observation' } })) }), 413, ['too-costly Bundle.entry']],
  ['more contained resources than allowed', toReports(report((it) => { it['contained'] = Array.from({ length: 2001 }, (_, n) => ({ resourceType: 'Basic', id: `b${n}` })); })), 413, ['too-costly DiagnosticReport.contained']],
  ['more contained resources than allowed in an entry', to('/', { resourceType: 'Bundle', type: 'batch', entry: [{ resource: { resourceType: 'Observation', contained: Array.from({ length: 2001 }, () => ({ resourceType: 'Basic' })) } }] }), 413, ['too-costly Bundle.entry']],
  // JSON.
  ['an empty body', toReports(''), 400, ['structure']],
  ['white space', toReports(' \n'), 400, ['structure']],
  ['a truncated body', toReports(text.slice(0, -40)), 400, ['structure']],
  ['something behind the resource', toReports(`${text}{}`), 400, ['structure']],
  ['bad UTF-8', toReports(Buffer.concat([Buffer.from('{"resourceType":"DiagnosticReport","id":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])), 400, ['structure']],
  ['a surrogate in UTF-8', toReports(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])), 400, ['structure']],
  ['UTF-16', toReports(Buffer.from('{}', 'utf16le')), 400, ['structure']],
  ['a byte order mark', toReports(`\ufeff${text}`), 400, ['structure']],
  ['half a surrogate pair, escaped', toReports('{"resourceType":"DiagnosticReport","conclusion":"\\ud800"}'), 400, ['structure']],
  ['one name twice with two values', toReports('{"resourceType":"DiagnosticReport","status":"final","status":"cancelled"}'), 400, ['structure']],
  ['one name twice with the same value', toReports('{"resourceType":"DiagnosticReport","status":"final","status":"final"}'), 400, ['structure']],
  ['one name twice, once escaped', toReports('{"resourceType":"DiagnosticReport","status":"final","\\u0073tatus":"final"}'), 400, ['structure']],
  ['one name twice, deep inside', toReports('{"resourceType":"DiagnosticReport","code":{"coding":[{"code":"1","code":"1"}]}}'), 400, ['structure']],
  ['NaN', toReports('{"resourceType":"DiagnosticReport","x":NaN}'), 400, ['structure']],
  ['a control character in a string', toReports('{"resourceType":"DiagnosticReport","id":"a\u0000b"}'), 400, ['structure']],
  ['a number of 65 digits', toReports(`{"resourceType":"DiagnosticReport","x":${'9'.repeat(65)}}`), 400, ['structure']],
  ['65 levels', toReports(nested(32)), 400, ['structure']],
  ['a million levels', toReports('['.repeat(1_000_000)), 400, ['structure']],
  ['an array', toReports('[]'), 400, ['structure']],
  ['a string', toReports('"x"'), 400, ['structure']],
  ['null', toReports('null'), 400, ['structure']],
  ['a resource of another type', toReports(observation({})), 400, ['invalid DiagnosticReport']],
  ['no resource type', toReports('{}'), 400, ['invalid DiagnosticReport']],
  ['something else than a bundle at the base', to('/', observation({})), 400, ['invalid Bundle']],
  // The definitions.
  ['the status banana', toReports(report((it) => { it['status'] = 'banana'; })), 422, ['code-invalid DiagnosticReport.status']],
  ['an unknown field', toReports(report((it) => { it['nonsense'] = 1; })), 422, ['structure DiagnosticReport']],
  ['a field of another resource', toReports(report((it) => { it['birthDate'] = '1958-03-14'; })), 422, ['structure DiagnosticReport.birthDate']],
  ['a date that is none', toReports(report((it) => { it['effectiveDateTime'] = '24.11.2026'; })), 422, ['value DiagnosticReport.effective']],
  ['__proto__', toReports(text.replace('{', '{"__proto__":{"status":"final"},')), 422, ['structure DiagnosticReport']],
  ['constructor', toReports(text.replace('{', '{"constructor":{"prototype":{}},')), 422, ['structure DiagnosticReport']],
  ['NUL, escaped', toObservations({ valueString: 'a\u0000b' }), 422, ['value Observation.value']],
  ['a number too large', to('/Observation', JSON.stringify(observation({ valueString: undefined, valueQuantity: { value: 12345 } })).replace('12345', '1e999')), 422, ['value Observation.value.value']],
  ['a fault in a contained resource', toReports(text.replace('"available"', '"banana"')), 422, ['code-invalid DiagnosticReport.contained[4].status']],
  ['two values', toObservations({ valueBoolean: true }), 422, ['structure Observation.value']],
  ['no code', to('/Observation', { resourceType: 'Observation', status: 'final', subject: { reference: 'Patient/1' } }), 422, ['required Observation.code']],
  // What it is about.
  ['no patient', toReports(report((it) => { delete it['subject']; })), 422, ['required DiagnosticReport.subject']],
  ['a patient of whom only the name is known', toObservations({ subject: { display: 'Amara Okafor' } }), 422, ['required Observation.subject']],
  ['a contained patient without identifiers', toObservations({ subject: { reference: '#p' }, contained: [{ resourceType: 'Patient', id: 'p', name: [{ text: 'A' }] }] }), 422, ['required Observation.contained[0]']],
  ['a subject that is a place', toObservations({ subject: { reference: 'Location/1' } }), 422, ['business-rule Observation.subject']],
  ['a message about nobody', to('/Communication', { resourceType: 'Communication', status: 'completed', payload: [{ contentString: 'x' }] }), 422, ['required Communication.subject']],
  ['a contained resource that is not there', toReports(report((it) => { it['result'] = [{ reference: '#nowhere' }]; })), 422, ['not-found DiagnosticReport.result[0].reference']],
  ['a urn:uuid outside a bundle', toObservations({ subject: { reference: 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000001' } }), 422, ['not-found Observation.subject.reference']],
  ['a modifier extension', toObservations({ modifierExtension: [{ url: 'http://example.org/not', valueBoolean: true }] }), 422, ['not-supported Observation.modifierExtension']],
  ['implicit rules', toObservations({ implicitRules: 'http://example.org/rules' }), 422, ['not-supported Observation.implicitRules']],
  ['an observation of another patient in the report', toReports(ofAnotherPatient('k')), 422, ['business-rule DiagnosticReport.contained[6].subject']],
  ['an order of another patient', toReports(ofAnotherPatient('order')), 422, ['business-rule DiagnosticReport.contained[5].subject']],
  ['a specimen of another patient', toReports(ofAnotherPatient('specimen')), 422, ['business-rule DiagnosticReport.contained[4].subject']],
  // If-None-Exist.
  ['a condition on something else', toReports(text, { 'if-none-exist': 'patient=Patient/1' }), 400, ['not-supported']],
  ['a condition with a modifier', toReports(text, { 'if-none-exist': 'identifier:of-type=x|y' }), 400, ['not-supported']],
  ['a condition on any system', toReports(text, { 'if-none-exist': 'identifier=F-1' }), 400, ['not-supported']],
  ['two conditions', toReports(text, { 'if-none-exist': 'identifier=a|b&identifier=a|c' }), 400, ['not-supported']],
  ['one of several identifiers', toReports(text, { 'if-none-exist': 'identifier=a|b,a|c' }), 400, ['not-supported']],
  ['a condition that selects nothing', toReports(text, { 'if-none-exist': 'identifier=' }), 412, ['not-supported']],
  ['a condition with a system alone', toReports(text, { 'if-none-exist': 'identifier=a|' }), 412, ['not-supported']],
  ['an empty condition', toReports(text, { 'if-none-exist': '' }), 412, ['not-supported']],
];

const MAY_NOT_ECHO = ['banana', 'nonsense', 'MRN-', 'Okafor', '24.11.2026', 'passwd', 'a|b', 'F-1', 'MRN-OTHER', 'nowhere', 'lab-token'];

describe('fhir-push refuses', () => {
  before(async function loads() {
    this.timeout(20_000);
    await endpoint();
  });

  for (const [given, request, status, issues] of REFUSALS) {
    it(`${given}: ${status} ${issues.join(', ')}`, async () => {
      const { send, arrivals, events } = await endpoint();
      const answer = await send(request);
      expect({ status: answer.status, issues: issuesOf(answer) }).to.deep.equal({ status, issues });
      expect(answer.json).to.have.property('resourceType', 'OperationOutcome');
      expect(answer.headers).to.include({ 'content-type': 'application/fhir+json; charset=utf-8', 'cache-control': 'no-store' });
      expect(arrivals).to.be.empty;
      expect(events.map((event) => event.status)).to.deep.equal([status]);
      expect(answer.wasRead, 'the body was read').to.equal(![401, 403, 404, 405, 406, 415].includes(status) && request.headers?.['content-length'] === undefined);
      for (const word of MAY_NOT_ECHO) expect(answer.body, word).to.not.contain(word);
    });
  }

  it('tells in a header what a client can do about it', async () => {
    const { send } = await endpoint();
    expect((await send(toReports(text, { authorization: undefined }))).headers).to.include({ 'www-authenticate': 'Bearer realm="aceso"' });
    expect((await send(toReports(text, { authorization: 'Bearer wrong' }))).headers).to.include({ 'www-authenticate': 'Bearer realm="aceso", error="invalid_token"' });
    expect((await send({ method: 'GET', path: '/DiagnosticReport' })).headers).to.include({ allow: 'POST' });
    expect((await send(to('/metadata', '{}'))).headers).to.include({ allow: 'GET' });
    expect((await send(toReports('<a/>', { 'content-type': 'text/xml' }))).headers).to.include({ 'accept-post': 'application/fhir+json' });
  });

  it('with 50 issues at most, and how many more there are', async () => {
    const { send } = await endpoint();
    const answer = await send(toObservations({ component: Array.from({ length: 60 }, () => ({ code: { text: 'x' }, valueQuantity: { comparator: 'banana' } })) }));
    expect(issuesOf(answer)).to.have.length(51);
    expect(answer.body).to.contain('There are 10 more issues.');
  });

  it('a resource type that this source may not send: 403, before the body is read', async () => {
    const { send, events } = await endpoint({ resourceTypes: ['Communication'] });
    const answer = await send(toReports('not even JSON'));
    expect([answer.status, answer.wasRead, ...issuesOf(answer)]).to.deep.equal([403, false, 'forbidden']);
    expect(events).to.have.length(1);
  });

  it('more requests than a source may send: 429 with Retry-After, until time has passed', async () => {
    const { send, mood } = await endpoint({ requestsPerMinute: 2 });
    expect((await send(toReports(text))).status).to.equal(201);
    expect((await send(toReports(text))).status).to.equal(200);
    const throttled = await send(toReports(text));
    expect([throttled.status, throttled.wasRead, ...issuesOf(throttled)]).to.deep.equal([429, false, 'throttled']);
    expect(throttled.headers).to.include({ 'retry-after': '30' });
    mood.nowMs += 30_000;
    expect((await send(toReports(text))).status).to.equal(200);
  });

  it('everything while the store is away: 503 with Retry-After, nothing taken', async () => {
    const { send, mood, arrivals } = await endpoint();
    mood.down = true;
    const away = await send(toReports(text));
    expect([away.status, ...issuesOf(away)]).to.deep.equal([503, 'transient']);
    expect(away.headers).to.include({ 'retry-after': '5' });
    expect((await send(toReports(text, { 'if-none-exist': 'identifier=a|b' }))).status).to.equal(503);
    expect((await send(to('/', fixtureText('potassium-transaction')))).status).to.equal(503);
    expect((await send(to('/', fixtureText('potassium-transaction').replace('"transaction"', '"batch"')))).status).to.equal(503);
    expect(arrivals).to.be.empty;
  });

  it('what breaks inside: 500 in fixed words, with one event and nothing of the cause', async () => {
    const { send, mood, events } = await endpoint();
    mood.broken = true;
    const answer = await send(toReports(text));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([500, 'exception']);
    expect(answer.body).to.not.contain('SECRET-OF-THE-STORE');
    expect(events.map(({ code, status }) => [code, status])).to.deep.equal([['exception', 500]]);
  });
});
