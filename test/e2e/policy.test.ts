import { expect } from 'chai';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parse, stringify } from 'yaml';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI, potassiumReport } from '../support/fhir.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-policy';
const PART2 = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: '42CFRPart2' }] } };

describe('The hospital\'s rules, on real servers', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client;
  const role = (...roles: readonly string[]): Promise<unknown> => aceso.cli('people', 'enrol', 'dr-okafor', ...roles.flatMap((each) => ['--role', each]));
  const heldByPolicy = (rule: string): ReturnType<Aceso['delivery']> => aceso.delivery(`held by ${rule}`, ({ held }) => held?.code === 'policy' && held.reason.includes(`[${rule}]`));
  /** What the audit says that the rules said. */
  const verdicts = (): readonly { readonly action: string; readonly detail: Readonly<Record<string, string>> }[] => {
    const database = new DatabaseSync(join(aceso.folder, 'data', 'aceso.db'), { readOnly: true });
    const rows = database.prepare('select action, detail from audit where action like ? order by seq').all('rules.%') as unknown as readonly { readonly action: string; readonly detail: string }[];
    database.close();
    return rows.map(({ action, detail }) => ({ action, detail: JSON.parse(detail) as Readonly<Record<string, string>> }));
  };

  before(async () => {
    hospitals = await sharedHospitals();
    const userId = await hospitals.stAnne.register('policy', PASSWORD);
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'policy', password: PASSWORD });
    const person = { id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: userId, npi: ADA_NPI, roles: ['billing'] };
    aceso = await newAceso({ mercy: hospitals.mercy, slot: hospitals.takeSlot(), people: [person], partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], source: { directory: { consents: true } } });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('keep a result from somebody whose role may not have it, uninvited, and let it go when their role changes', async () => {
    await tell(aceso, 'POLICY-1', ADA_NPI);
    const held = await heldByPolicy('billing-never-in-clinical-rooms');
    expect(held.held?.reason).to.include('Billing staff don\'t enter rooms where care is discussed');
    expect(ada.invitations).to.deep.equal([]);
    await role('partner-clinician');
    await sees(ada, 'POLICY-1', 60_000);
  });

  it('hold a Part 2 result until the patient\'s consent, which goes with it, and the next once it is taken back; the log doesn\'t tell which', async () => {
    const consent = (status: string): Promise<unknown> => aceso.push('/Consent', {
      resourceType: 'Consent', id: 'c1', status, patient: { identifier: { system: 'urn:mercy:mrn', value: '00481516' } }, policyRule: { text: 'Release of records' },
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] }, category: [{ coding: PART2.meta.security }],
      provision: {
        type: 'permit', purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
        actor: [{ role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] }, reference: { type: 'Practitioner', identifier: { system: 'http://hl7.org/fhir/sid/us-npi', value: ADA_NPI } } }],
      },
    });
    await aceso.push('/DiagnosticReport', { ...potassiumReport({ accession: 'CONSENT-1', npi: ADA_NPI }), ...PART2 });
    await heldByPolicy('part2-needs-consent');
    await consent('active');
    const { content } = await sees(ada, 'CONSENT-1', 60_000);
    expect(content['body']).to.match(/42 CFR part 2 prohibits unauthorized use or disclosure of these records\.\n\nDisclosed to you with the patient's written consent, which names you, for treatment; it has no date of expiry\.$/u);
    expect(verdicts().findLast(({ action, detail }) => action === 'rules.allowed' && detail['asked'] === 'read-result')?.detail).to.have.property('consent').that.is.a('string');
    await consent('inactive');
    await until('it to be taken back', () => readFileSync(aceso.logFile, 'utf8').includes('"consent.ended"'));
    await aceso.push('/DiagnosticReport', { ...potassiumReport({ accession: 'CONSENT-2', npi: ADA_NPI }), ...PART2 });
    await heldByPolicy('part2-needs-consent');
    expect(readFileSync(aceso.logFile, 'utf8')).to.include('"rules.refused"').and.not.match(/part2-needs-consent|"consent":"[^"]+","delivery"|written consent/u);
  });

  it('hold a Part 2 result without consent, and let it go by itself when the hospital changes its rules', async () => {
    await aceso.push('/DiagnosticReport', { ...potassiumReport({ accession: 'POLICY-2', npi: ADA_NPI }), ...PART2 });
    await heldByPolicy('part2-needs-consent');
    const folder = join(aceso.folder, 'rules');
    await aceso.cli('policy', 'init', folder);
    rmSync(join(folder, 'part2.cedar'));
    writeFileSync(aceso.configFile, stringify({ ...(parse(readFileSync(aceso.configFile, 'utf8')) as object), policy_dir: folder }));
    expect((await aceso.cli<{ readonly rules: readonly { readonly rule: string; readonly change: string }[] }>('policy', 'diff')).rules).to.deep.equal([{ rule: 'part2-needs-consent', change: 'removed', file: 'part2.cedar' }]);
    await aceso.cli('config', 'reload');
    await sees(ada, 'POLICY-2', 60_000);
  });

  it('keep from somebody who is in the room already what comes after their role has changed', async () => {
    await role('billing');
    await tell(aceso, 'POLICY-3', ADA_NPI);
    await heldByPolicy('billing-never-in-clinical-rooms');
    await role('partner-clinician');
    await sees(ada, 'POLICY-3', 60_000);
    expect(ada.undecryptable).to.deep.equal([]);
  });

  it('that can\'t be loaded at a start leave the last good ones in force, and say so until they are mended', async () => {
    const own = join(aceso.folder, 'rules', 'own.cedar');
    await aceso.stop();
    writeFileSync(own, 'permit (principal action, resource);');
    await aceso.start();
    const problems = async (): Promise<readonly { readonly part: string; readonly code: string; readonly message: string }[]> => ((await (await fetch(`${aceso.operationsUrl}/readyz`)).json()) as { readonly problems: readonly { readonly part: string; readonly code: string; readonly message: string }[] }).problems;
    const [problem] = await until('the alarm', async () => { const found = (await problems()).filter(({ part }) => part === 'policy'); return found.length > 0 && found; });
    expect(problem).to.include({ code: 'not-loaded' }).and.to.have.property('message').that.includes('own.cedar:1');
    expect(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).to.include('aceso_problem{part="policy",code="not-loaded"} 1');
    await tell(aceso, 'POLICY-4', ADA_NPI);
    await sees(ada, 'POLICY-4', 60_000);
    rmSync(own);
    await aceso.cli('config', 'reload');
    await until('the alarm to end', async () => (await problems()).every(({ part }) => part !== 'policy'));
  });

  it('leave in the audit who was asked about, by which rules of which revision, whose text is kept', async () => {
    const revisions = (await aceso.cli<readonly { readonly revision: string }[]>('policy', 'history')).map(({ revision }) => revision);
    expect(revisions).to.have.length(2);
    const said = verdicts();
    expect(said.map(({ action, detail }) => `${action} ${detail['asked'] ?? ''} ${detail['rules'] ?? ''}`)).to.include.members(['rules.refused join billing-never-in-clinical-rooms', 'rules.allowed join partners-in-shared-rooms', 'rules.refused read-result part2-needs-consent', 'rules.allowed read-result clinicians-read-their-results']);
    expect(new Set(said.map(({ detail }) => detail['revision']))).to.deep.equal(new Set(revisions));
    expect((await aceso.cli<{ readonly files: object }>('policy', 'show', revisions.at(-1) ?? '')).files).to.have.property('part2.cedar');
  });
});
