import { expect } from 'chai';
import { batch, bundle, changed, entries, entryOf, observation, post, statuses } from '../fixtures/fhir/build.ts';
import { endpoint, fixtureText, issuesOf, theValidator } from '../fixtures/fhir/endpoint.ts';
import type { Sent } from '../fixtures/fhir/endpoint.ts';

describe('fhir-push, other bundles', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  describe('batch', () => {
    it('answers each entry by itself', async () => {
      const { send, arrivals, events } = await endpoint({ resourceTypes: ['Observation'] });
      const answer = await send(post(batch([
        ['Observation', observation()],
        ['Observation', observation({ status: 'banana' })],
        ['Observation', observation({ subject: undefined })],
        ['Communication', { resourceType: 'Communication', status: 'completed', subject: { reference: 'Patient/1' } }],
        ['Medication', { resourceType: 'Medication' }],
        ['Patient', { resourceType: 'Patient' }],
        ['Patient', observation()],
        ['Observation', { resourceType: 'Banana' }],
        ['Observation', observation({ valueString: 'y' })],
      ])));
      expect(answer.status).to.equal(200);
      expect(answer.json).to.have.property('type', 'batch-response');
      expect(statuses(answer)).to.deep.equal(['201', '422', '422', '403', '422', '200', '422', '422', '201']);
      expect(entries(answer).slice(1, 5).map((each) => issuesOf({ json: each['response']?.['outcome'] ?? {} })[0])).to.deep.equal([
        'code-invalid Bundle.entry[1].resource.status', 'required Bundle.entry[2].resource.subject', 'forbidden Bundle.entry[3].resource', 'not-supported Bundle.entry[4].resource',
      ]);
      expect(arrivals).to.have.length(2);
      expect(events.map(({ code, status }) => [code, status])).to.deep.equal([['batch-partly-refused', 200]]);
      expect((await theValidator()).validate(answer.json)).to.deep.equal([]);
    });

    it('checks every entry, however many are wrong', async () => {
      const { send, arrivals } = await endpoint();
      const answer = await send(post(batch(Array.from({ length: 120 }, () => ['Observation', observation({ status: 'banana' })] as const))));
      expect(new Set(statuses(answer))).to.deep.equal(new Set(['422']));
      expect(arrivals).to.be.empty;
    });

    it('does not tell what came out of a resource that was refused', async () => {
      const { send, arrivals } = await endpoint();
      const answer = await send(post(changed((it) => {
        it.type = 'batch';
        entryOf(it, 0).resource['gender'] = 'banana';
      })));
      expect(statuses(answer)).to.deep.equal(['422', '200', '200', '200', '200', '200', '424', '424']);
      expect(arrivals).to.be.empty;
    });

    it('does not take a part whose whole was refused', async () => {
      const { send, arrivals } = await endpoint();
      const answer = await send(post(changed((it) => {
        it.type = 'batch';
        entryOf(it, 7).resource['status'] = 'banana';
      })));
      expect(statuses(answer).slice(-2)).to.deep.equal(['424', '422']);
      expect(arrivals).to.be.empty;
    });

    it('refuses the whole when the bundle itself is wrong', async () => {
      const { send } = await endpoint();
      const answer = await send(post({ ...batch([['Observation', observation()]]), identifier: 'x' }));
      expect([answer.status, ...issuesOf(answer)]).to.deep.equal([422, 'structure Bundle.identifier']);
    });
  });

  describe('collection', () => {
    for (const path of ['/', '/Bundle']) {
      it(`is taken apart at ${path}`, async () => {
        const { send, arrivals } = await endpoint();
        const collection = changed((it) => {
          it.type = 'collection';
          for (const entry of it.entry) delete entry.request;
        });
        const answer = await send(post(collection, path));
        expect(answer.status).to.equal(200);
        expect(answer.json).to.have.property('type', 'transaction-response');
        expect(arrivals.map(({ resourceType }) => resourceType)).to.deep.equal(['DiagnosticReport']);
      });
    }

    it('is the only kind that Bundle takes', async () => {
      const { send } = await endpoint();
      const answer = await send(post(fixtureText('potassium-transaction'), '/Bundle'));
      expect([answer.status, ...issuesOf(answer)]).to.deep.equal([400, 'not-supported Bundle.type']);
    });

    it('a searchset or document is refused', async () => {
      const { send } = await endpoint();
      const answer = await send(post({ resourceType: 'Bundle', type: 'searchset', entry: [{ resource: observation() }] }));
      expect([answer.status, ...issuesOf(answer)]).to.deep.equal([422, 'not-supported Bundle.type']);
    });
  });

  describe('$process-message', () => {
    it('answers a message with a message that names it', async () => {
      const { send, arrivals } = await endpoint();
      const answer = await send(post(fixtureText('potassium-message'), '/$process-message'));
      expect(answer.status).to.equal(200);
      expect(arrivals).to.have.length(1);
      expect(answer.json['entry']?.[0]?.['resource']).to.deep.include({ resourceType: 'MessageHeader', destination: [{ endpoint: 'https://lab.mercy.example/fhir' }] });
      expect(answer.json['entry']?.[0]?.['resource']?.['response']).to.deep.include({ identifier: '5015fe84-8e76-4526-89d8-44b322e8d4fb', code: 'ok' });
      expect((await theValidator()).validate(answer.json)).to.deep.equal([]);
    });

    it('takes the same message again as the same', async () => {
      const { send, arrivals } = await endpoint();
      await send(post(fixtureText('potassium-message'), '/$process-message'));
      expect((await send(post(fixtureText('potassium-message'), '/$process-message'))).status).to.equal(200);
      expect(arrivals).to.have.length(1);
    });

    const bad: readonly (readonly [string, Sent, number, readonly string[]])[] = [
      ['whose first resource is no MessageHeader', post(changed((it) => it.entry.reverse(), 'potassium-message'), '/$process-message'), 422, ['invariant Bundle']],
      ['without an id in its MessageHeader', post(changed((it) => { delete entryOf(it, 0).resource['id']; }, 'potassium-message'), '/$process-message'), 422, ['required Bundle.entry[0].resource.id']],
      ['of another type of bundle', post(fixtureText('potassium-transaction'), '/$process-message'), 422, ['value Bundle.type']],
      ['as Parameters', post({ resourceType: 'Parameters' }, '/$process-message'), 400, ['not-supported Parameters']],
      ['at the base', post(fixtureText('potassium-message')), 400, ['not-supported Bundle.type']],
      ['to be answered later', { ...post(fixtureText('potassium-message'), '/$process-message'), query: 'async=true' }, 400, ['not-supported']],
      ['without a focus that can be delivered', post({ resourceType: 'Bundle', type: 'message', entry: [entryOf(bundle('potassium-message'), 0)].map((each) => ({ ...each, resource: { ...each.resource, focus: undefined } })) }, '/$process-message'), 422, ['business-rule Bundle.entry']],
    ];
    for (const [given, request, status, issues] of bad) {
      it(`refuses a message ${given}: ${status} ${issues.join(', ')}`, async () => {
        const { send, arrivals } = await endpoint();
        const answer = await send(request);
        expect([answer.status, ...issuesOf(answer)]).to.deep.equal([status, ...issues]);
        expect(arrivals).to.be.empty;
      });
    }
  });
});
