import { expect } from 'chai';
import { fixture, fixtureText, theValidator } from '../fixtures/fhir/endpoint.ts';
import { FHIR, MRN, NPI, one } from '../fixtures/fhir/extract.ts';

describe('fhir-push takes out of a message', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  it('with what it says, from whom, to whom', async () => {
    const { report, candidates, patientKey } = await one(fixtureText('communication'), '/Communication');
    expect(report).to.deep.equal({
      kind: 'message', status: 'final', priority: 'urgent', title: 'Nephrology consult', observations: [], specimens: [], notes: [], reporters: ['Dr. Elena Reyes'], fillerNumber: 'MSG-5512',
      patient: { name: 'Amara J. Okafor', mrn: { value: 'MRN-0042317', authority: 'Mercy Hospital' } }, conclusion: 'K+ 6.8 with ECG changes. Please see today; dialysis access needed?', reportedAt: '2026-11-24T09:05:00-06:00',
    });
    expect(candidates).to.deep.equal([{ rule: 'addressed', identifiers: [{ system: NPI, value: '1770000004' }, { system: FHIR, value: 'Practitioner/771' }] }]);
    expect(patientKey).to.equal(`${MRN}|MRN-0042317`);
  });

  it('never to the patient or the family, whose identifiers are nobody\'s to look up', async () => {
    const { candidates } = await one({ ...fixture('communication'), recipient: [{ reference: 'Patient/42317' }, { reference: 'RelatedPerson/1' }, { type: 'Patient', identifier: { system: MRN, value: 'M-1' } }, { reference: 'Organization/3' }] }, '/Communication');
    expect(candidates).to.deep.equal([{ rule: 'addressed', identifiers: [{ system: FHIR, value: 'Organization/3' }] }]);
  });

  it('with its files and references named', async () => {
    const { report } = await one({ ...fixture('communication'), payload: [{ contentString: 'See ECG.' }, { contentAttachment: { title: 'ECG', contentType: 'image/png' } }, { contentReference: { reference: 'DocumentReference/1' } }], reasonCode: [{ text: 'Hyperkalaemia' }], note: [{ text: 'Call back 4410' }] }, '/Communication');
    expect(report.conclusion).to.equal('See ECG.');
    expect(report.notes).to.deep.equal(['Reason: Hyperkalaemia', 'Call back 4410', 'Refers to another resource, which is not included yet.']);
    expect(report.attachments?.map((each) => [each.title, 'refused' in each ? each.refused : 'sent'])).to.deep.equal([['ECG', 'elsewhere']]);
  });

  const statuses: readonly (readonly [string, string, string])[] = [
    ['Communication', 'preparation', 'registered'], ['Communication', 'in-progress', 'preliminary'], ['Communication', 'not-done', 'cancelled'], ['Communication', 'on-hold', 'registered'],
    ['Communication', 'stopped', 'cancelled'], ['Communication', 'completed', 'final'], ['Communication', 'entered-in-error', 'entered-in-error'], ['Communication', 'unknown', 'unknown'],
    ['CommunicationRequest', 'draft', 'registered'], ['CommunicationRequest', 'active', 'final'], ['CommunicationRequest', 'on-hold', 'registered'], ['CommunicationRequest', 'revoked', 'cancelled'],
    ['CommunicationRequest', 'completed', 'final'], ['CommunicationRequest', 'entered-in-error', 'entered-in-error'], ['CommunicationRequest', 'unknown', 'unknown'],
  ];
  for (const [resourceType, status, expected] of statuses) {
    it(`${resourceType} ${status} is ${expected}`, async () => {
      expect((await one({ resourceType, status, subject: { reference: 'Patient/1' } }, `/${resourceType}`)).report.status).to.equal(expected);
    });
  }

  it('a request with its requester and time; one not to perform is cancelled', async () => {
    const request = { resourceType: 'CommunicationRequest', status: 'active', subject: { reference: 'Patient/1' }, requester: { display: 'Dr. Reyes' }, authoredOn: '2026-11-24', occurrenceDateTime: '2026-11-25T10:00:00Z', priority: 'asap' };
    const { report } = await one(request, '/CommunicationRequest');
    expect(report).to.deep.include({ priority: 'asap', reporters: ['Dr. Reyes'], reportedAt: '2026-11-24', notes: ['To be communicated: 2026-11-25T10:00:00Z'], title: 'Message' });
    expect((await one({ ...request, doNotPerform: true }, '/CommunicationRequest')).report).to.deep.include({ status: 'cancelled' });
  });
});
