import { expect } from 'chai';
import { batch, changed, entries, entryOf, observation, post, statuses } from '../fixtures/fhir/build.ts';
import { BASE, endpoint, fixtureText, issuesOf, theValidator } from '../fixtures/fhir/endpoint.ts';

describe('fhir-push, transaction', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  it('takes the report with its result as one arrival, and answers each entry in order', async () => {
    const { send, arrivals, events } = await endpoint();
    const answer = await send(post(fixtureText('potassium-transaction')));
    expect(answer.status).to.equal(200);
    expect(answer.json).to.deep.include({ resourceType: 'Bundle', type: 'transaction-response' });
    expect(statuses(answer)).to.deep.equal(['200', '200', '200', '200', '200', '200', '200', '201']);
    expect(entries(answer)[7]?.['response']).to.deep.equal({ status: '201 Created', location: `${BASE}/DiagnosticReport/1/_history/1`, etag: 'W/"1"' });
    expect(arrivals.map(({ resourceType }) => resourceType)).to.deep.equal(['DiagnosticReport']);
    expect(events).to.have.length(1);
    expect((await theValidator()).validate(answer.json)).to.deep.equal([]);
  });

  it('says the same to the clinician as the lone report with contained resources', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('potassium-transaction')));
    await send(post(fixtureText('potassium-report'), '/DiagnosticReport'));
    expect(arrivals[0]?.report).to.deep.equal(arrivals[1]?.report);
    expect(arrivals[0]?.candidates).to.deep.equal(arrivals[1]?.candidates);
    expect(arrivals[0]?.reportKey).to.equal(arrivals[1]?.reportKey);
  });

  it('is the same fact when it comes again under other made-up URLs', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('potassium-transaction').replace(/,\s*"ifNoneExist": "[^"]*"/, '')));
    const again = await send(post(fixtureText('potassium-transaction').replace(/,\s*"ifNoneExist": "[^"]*"/, '').replaceAll('6f1c1a5e', '11111111')));
    expect(statuses(again).at(-1)).to.equal('200');
    expect(arrivals).to.have.length(1);
  });

  it('is another fact when only an observation has changed', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('potassium-transaction')));
    await send(post(fixtureText('potassium-transaction').replace('"value": 6.8', '"value": 6.9')));
    expect(arrivals.map(({ report }) => report.observations[0]?.value?.text)).to.deep.equal(['6.8', '6.9']);
  });

  it('gives the message a resource that stands alone and is valid', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('bmp-transaction')));
    const resource = JSON.parse(arrivals[0]?.resource ?? '') as Record<string, unknown>;
    expect((await theValidator()).validate(resource)).to.deep.equal([]);
    expect(arrivals[0]?.resource).to.not.contain('urn:uuid');
    expect(arrivals[0]?.resource).to.contain('"value":2.10,');
    expect((resource['contained'] as readonly Record<string, unknown>[]).filter((each) => each['resourceType'] === 'Observation')).to.have.length(8);
    const { send: sendAgain, arrivals: alone } = await endpoint();
    expect((await sendAgain(post(arrivals[0]?.resource ?? '', '/DiagnosticReport'))).status).to.equal(201);
    expect(alone[0]?.report).to.deep.equal(arrivals[0]?.report);
  });

  it('keeps the contained resources of each entry apart, and the security labels of all', async () => {
    const { send, arrivals } = await endpoint();
    const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' };
    await send(post(changed((it) => {
      const { resource } = entryOf(it, 6);
      resource['contained'] = [{ resourceType: 'Device', id: 'patient-1', deviceName: [{ name: 'Analyser 7', type: 'user-friendly-name' }] }];
      resource['device'] = { reference: '#patient-1' };
      resource['meta'] = { security: [label] };
    })));
    const resource = JSON.parse(arrivals[0]?.resource ?? '') as { contained: { id: string; resourceType: string; device?: { reference: string } }[]; meta: unknown };
    expect(new Set(resource.contained.map(({ id }) => id)).size).to.equal(resource.contained.length);
    const device = resource.contained.find(({ resourceType }) => resourceType === 'Device');
    expect(resource.contained.find(({ resourceType }) => resourceType === 'Observation')?.device?.reference).to.equal(`#${device?.id ?? ''}`);
    expect(resource.meta).to.deep.equal({ security: [label] });
  });

  it('gives the security labels of the bundle to each of its resources', async () => {
    const { send, arrivals } = await endpoint();
    const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: '42CFRPart2' };
    await send(post(changed((it) => { (it as unknown as Record<string, unknown>)['meta'] = { security: [label] }; })));
    expect(arrivals.map(({ resource }) => (JSON.parse(resource) as { readonly meta?: unknown }).meta)).to.deep.equal(arrivals.map(() => ({ security: [label] })));
    expect(arrivals.length).to.be.greaterThan(0);
  });

  it('gives what it puts into a resource ids that are not taken there', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(changed((it) => {
      entryOf(it, 7).resource['contained'] = [{ resourceType: 'Basic', id: 'patient-1', code: { text: 'x' } }];
      entryOf(it, 7).resource['extension'] = [{ url: 'http://example.org/x', valueReference: { reference: '#patient-1' } }];
    })));
    const resource = JSON.parse(arrivals[0]?.resource ?? '') as { readonly contained: readonly { readonly id: string; readonly resourceType: string }[]; readonly subject: object };
    expect(resource.subject).to.deep.equal({ reference: '#patient-2' });
    expect(resource.contained.filter(({ id }) => id.startsWith('patient-')).map(({ id, resourceType }) => [id, resourceType])).to.deep.equal([['patient-1', 'Basic'], ['patient-2', 'Patient']]);
  });

  it('takes all or nothing: one fault, and nothing is handed on', async () => {
    const { send, arrivals } = await endpoint();
    const answer = await send(post(changed((it) => { entryOf(it, 7).resource['status'] = 'banana'; })));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([422, 'code-invalid Bundle.entry[7].resource.status']);
    expect(arrivals).to.be.empty;
  });

  it('names every entry that is at fault', async () => {
    const { send } = await endpoint();
    const answer = await send(post(changed((it) => {
      entryOf(it, 5).request = { method: 'DELETE', url: 'ServiceRequest/1' };
      delete entryOf(it, 7).resource['subject'];
    })));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([405, 'not-supported Bundle.entry[5].request.method', 'required Bundle.entry[7].resource.subject']);
  });

  it('makes an arrival of its own of an observation that no report names', async () => {
    const { send, arrivals } = await endpoint();
    const answer = await send(post(changed((it) => it.entry.push({ fullUrl: 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000077', resource: observation({ subject: { reference: 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000001' } }), request: { method: 'POST', url: 'Observation' } }))));
    expect(statuses(answer).slice(-2)).to.deep.equal(['201', '201']);
    expect(arrivals.map(({ resourceType }) => resourceType)).to.deep.equal(['DiagnosticReport', 'Observation']);
  });

  it('takes an observation that is a member of another as part of it', async () => {
    const { send, arrivals } = await endpoint();
    const urls = ['urn:uuid:6f1c1a5e-0001-4000-8000-000000000081', 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000082'];
    const panel = { fullUrl: urls[0] ?? '', resource: { ...observation({ code: { text: 'Panel' }, hasMember: [{ reference: urls[1] }] }), valueString: undefined }, request: { method: 'POST', url: 'Observation' } };
    const member = { fullUrl: urls[1] ?? '', resource: observation({ code: { text: 'Sodium' } }), request: { method: 'POST', url: 'Observation' } };
    await send(post({ resourceType: 'Bundle', type: 'transaction', entry: [member, panel] }));
    expect(arrivals.map(({ report }) => [report.title, report.observations.map(({ name }) => name)])).to.deep.equal([['Panel', ['Sodium']]]);
  });

  it('loses nothing to observations that name each other as members', async () => {
    const { send, arrivals } = await endpoint();
    const url = (n: number): string => `urn:uuid:6f1c1a5e-0001-4000-8000-00000000009${n}`;
    const ring = [1, 2, 3].map((n) => ({ fullUrl: url(n), resource: observation({ code: { text: `T${n}` }, hasMember: [{ reference: url((n % 3) + 1) }] }), request: { method: 'POST', url: 'Observation' } }));
    expect((await send(post({ resourceType: 'Bundle', type: 'transaction', entry: ring }))).status).to.equal(200);
    expect(arrivals.flatMap(({ report }) => report.observations.map(({ name }) => name))).to.deep.equal(['T1', 'T2', 'T2: T3']);
  });

  it('finds resources by literal URL, relative to the one that refers to them', async () => {
    const { send, arrivals } = await endpoint({ fhirBase: 'https://ehr.mercy.example/r4' });
    const base = 'https://ehr.mercy.example/r4';
    await send(post({ resourceType: 'Bundle', type: 'transaction', entry: [
      { fullUrl: `${base}/Patient/7`, resource: { resourceType: 'Patient', id: '7', name: [{ text: 'Amara Okafor' }] }, request: { method: 'PUT', url: 'Patient/7' } },
      { fullUrl: `${base}/Practitioner/9`, resource: { resourceType: 'Practitioner', id: '9', name: [{ text: 'Dr. Reyes' }] }, request: { method: 'PUT', url: 'Practitioner/9' } },
      { fullUrl: `${base}/ServiceRequest/8`, resource: { resourceType: 'ServiceRequest', status: 'active', intent: 'order', subject: { reference: 'Patient/7' }, requester: { reference: `${base}/Practitioner/9/_history/3` } }, request: { method: 'PUT', url: 'ServiceRequest/8' } },
      { fullUrl: 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000001', resource: observation({ subject: { reference: 'Patient/7' }, basedOn: [{ reference: 'ServiceRequest/8' }] }), request: { method: 'POST', url: 'Observation' } },
    ] }));
    expect(arrivals[0]?.report).to.deep.include({ orderer: 'Dr. Reyes', patient: { name: 'Amara Okafor' } });
    expect(arrivals[0]?.patientKey).to.equal('urn:aceso:source:mercy-lab:fhir|Patient/7');
    expect(arrivals[0]?.candidates).to.deep.equal([{ rule: 'requester', identifiers: [{ system: 'urn:aceso:source:mercy-lab:fhir', value: 'Practitioner/9' }] }]);
  });

  it('refuses a reference to an entry that is not there', async () => {
    const { send } = await endpoint();
    const answer = await send(post(changed((it) => it.entry.splice(6, 1))));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([422, 'not-found Bundle.entry[6].resource.result[0].reference']);
  });

  it('refuses a type that this source may not send, and lets through what belongs to one that it may', async () => {
    const reportsOnly = await endpoint({ resourceTypes: ['DiagnosticReport'] });
    expect((await reportsOnly.send(post(fixtureText('potassium-transaction')))).status).to.equal(200);
    const observationsOnly = await endpoint({ resourceTypes: ['Observation'] });
    const answer = await observationsOnly.send(post(fixtureText('potassium-transaction')));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([403, 'forbidden Bundle.entry[7].resource']);
    const twice = await observationsOnly.send(post(changed((it) => { entryOf(it, 0).request = { method: 'POST', url: 'Medication' }; })));
    expect([twice.status, ...issuesOf(twice)], 'beside another fault').to.deep.equal([403, 'value Bundle.entry[0].request.url', 'forbidden Bundle.entry[7].resource']);
  });

  it('refuses what holds nothing to deliver', async () => {
    const { send } = await endpoint();
    const answer = await send(post(changed((it) => { it.entry = it.entry.slice(0, 6); })));
    expect([answer.status, ...issuesOf(answer)]).to.deep.equal([422, 'business-rule Bundle.entry']);
  });

  it('heeds ifNoneExist of an entry', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('potassium-transaction')));
    const again = await send(post(fixtureText('potassium-transaction')));
    expect(entries(again)[7]?.['response']).to.deep.equal({ status: '200 OK', location: `${BASE}/DiagnosticReport/1/_history/1`, etag: 'W/"1"' });
    expect(arrivals).to.have.length(1);
    const bad = await send(post(changed((it) => { entryOf(it, 7).request = { method: 'POST', url: 'DiagnosticReport', ifNoneExist: 'code=1' }; })));
    expect([bad.status, ...issuesOf(bad)]).to.deep.equal([400, 'not-supported Bundle.entry[7].request.ifNoneExist']);
  });

  it('hands the same fact twice in one bundle on once', async () => {
    const { send, arrivals } = await endpoint();
    const twin = observation({ identifier: [{ system: 'a', value: '1' }] });
    const answer = await send(post({ ...batch([['Observation', twin], ['Observation', twin]]), type: 'transaction' }));
    expect(statuses(answer)).to.deep.equal(['201', '201']);
    expect(arrivals).to.have.length(1);
  });

  it('gives resources or outcomes with the entries where Prefer asks for them', async () => {
    const { send } = await endpoint();
    const represented = await send(post(fixtureText('potassium-transaction'), '/', { prefer: 'return=representation' }));
    expect(entries(represented)[7]?.['resource']).to.deep.include({ resourceType: 'DiagnosticReport', id: '1' });
    const told = await send(post(fixtureText('potassium-transaction'), '/', { prefer: 'return=OperationOutcome' }));
    expect(entries(told)[7]?.['response']).to.have.nested.property('outcome.resourceType', 'OperationOutcome');
  });
});
