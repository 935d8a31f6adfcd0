import { expect } from 'chai';
import { as, type BlobId, type FactId } from '../../../src/domain/brand.ts';
import type { ReportAttachment, SentAttachment } from '../../../src/domain/clinical/attachment.ts';
import type { Context, Decision, FoundAggregate } from '../../../src/domain/decision.ts';
import type { FactBody, FactOf } from '../../../src/domain/fact.ts';
import { partyNames, type Party } from '../../../src/domain/people/party.ts';
import { NPI, type Candidate } from '../../../src/domain/people/recipient.ts';
import { decideReport, lookupsOfReport } from '../../../src/domain/report/decide.ts';
import type { ReportState } from '../../../src/domain/report/report.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { SUBJECT, T0, ada, allowAll, ben, lab, organisations, potassium, received, report, requester } from '../../support/reports.ts';

const directory = new Map<string, FoundAggregate>([ada, ben, lab].flatMap((party: Party) => partyNames(party).map((name) => [name, { aggregate: { kind: 'party', id: party.id }, state: party }] as const)));
const settings: Context['settings'] = { organisations, organisation: 'Mercy', recipientOrder: ['requester', 'attending', 'covering', 'pool'], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 };
const candidate = (rule: Candidate['rule'], party: Party): Candidate => ({ rule, identifiers: party.identifiers });
const pool: Candidate = { rule: 'pool', identifiers: [{ system: 'urn:aceso:party', value: lab.id }] };
const unknown: Candidate = { rule: 'requester', identifiers: [{ system: NPI, value: '0000000000' }] };

function run(facts: readonly FactBody[], change: Partial<Context['settings']> = {}): Decision<ReportState | undefined> {
  let decision: Decision<ReportState | undefined> = { state: undefined, audit: [] };
  for (const [index, body] of facts.entries()) {
    const fact = { id: as<FactId>(`f${index}`), aggregate: { kind: 'report', id: 'r1' }, at: T0, body } as const;
    const found = new Map(lookupsOfReport(fact).flatMap(({ name }) => { const hit = directory.get(name); return hit ? [[name, hit] as const] : []; }));
    decision = decideReport(decision.state, fact, { now: T0, judge: allowAll, settings: { ...settings, ...change }, found });
  }
  return decision;
}
const requests = (decision: Decision<unknown>): readonly FactOf<'delivery.requested'>[] => (decision.raise ?? []).flatMap(({ body }) => (body.type === 'delivery.requested' ? [body] : []));
const told = (decision: Decision<unknown>): readonly string[] => requests(decision).map(({ party, news, rule }) => `${news} to ${party?.id ?? 'nobody'}${rule ? ` (${rule})` : ''}`);

const WHOM: readonly (readonly [given: string, candidates: readonly Candidate[], then: readonly string[]])[] = [
  ['the requester is in the directory', [requester(ada), candidate('attending', ben)], ['first to dr-okafor (requester)']],
  ['the requester is unknown, the attending is known', [unknown, candidate('attending', ben)], ['first to dr-ruiz (attending)']],
  ['two people attend', [candidate('attending', ben), candidate('attending', ada)], ['first to dr-ruiz (attending)', 'first to dr-okafor (attending)']],
  ['nobody but the source\'s pool', [unknown, pool], ['first to icu-team (pool)']],
  ['nobody at all', [], ['first to nobody']],
  ['only somebody unknown', [unknown], ['first to nobody']],
  ['one candidate whose identifiers belong to two people: never guessed', [{ rule: 'requester', identifiers: [...ada.identifiers, ...ben.identifiers] }], ['first to nobody']],
];

describe('Whom a result is for', () => {
  for (const [given, candidates, then] of WHOM) it(given, () => expect(told(run([received(report(), candidates)]))).to.deep.equal(then));

  it('follows the hospital\'s order', () => {
    expect(told(run([received(report(), [requester(ada), candidate('attending', ben)])], { recipientOrder: ['attending', 'requester'] }))).to.deep.equal(['first to dr-ruiz (attending)']);
  });

  it('says why nobody was found', () => {
    expect(requests(run([received(report(), [unknown])]))[0]?.why).to.equal('nobody responsible could be found (requester: named, but not in the directory; attending: not named; covering: not named; pool: not named)');
  });
});

const corrected = report({ status: 'corrected', observations: [{ ...potassium('4.2'), interpretation: { code: 'N', text: 'Normal', level: 'normal' }, status: 'corrected' }] });

describe('What a report tells over its life (42 CFR 493.1291(g), (k))', () => {
  it('a critical result: told once, and marked so', () => expect(requests(run([received(report())]))[0]?.critical).to.equal(true));
  it('the same again, however often: tells nothing', () => expect(told(run([received(report()), received(report()), received(report())]))).to.deep.equal([]));
  it('a correction goes to whoever is responsible now, and to everybody who had the old', () => {
    expect(told(run([received(report()), received(corrected, [requester(ben)])]))).to.deep.equal(['first to dr-ruiz (requester)', 'correction to dr-okafor (had the earlier message)']);
  });
  it('a correction names the delivery that no longer holds', () => expect(requests(run([received(report()), received(corrected)]))[0]?.supersedes).to.equal('f0-0'));
  it('a correction tells the delivery whose place it takes', () => expect(run([received(report()), received(corrected)]).raise?.[0]).to.deep.equal({ aggregate: { kind: 'delivery', id: 'f0-0' }, body: { type: 'delivery.superseded', by: 'f1-0' } }));
  it('a correction of what was held and then assigned goes to whom it was given', () => {
    const assigned: FactBody = { type: 'delivery.assigned', delivery: as('f0-0'), party: ben };
    expect(told(run([received(report(), []), assigned, received(corrected, [])]))).to.deep.equal(['correction to dr-ruiz (had the earlier message)']);
  });
  it('a second panel value tells only what is new', () => {
    const sodium = { ...potassium('128'), key: 'serum|http://loinc.org|2951-2', name: 'Sodium' };
    const body = String(requests(run([received(report()), received(report({ observations: [potassium(), sodium] }))]))[0]?.content.reveal()['body']);
    expect(body).to.include('Sodium').and.to.include('128');
  });
});

describe('The files of a report', () => {
  const pdf = (key: string): SentAttachment => ({ key, title: 'Histology', type: 'pdf', bytes: 3, sha1: 'x' });
  const withFiles = (attachments: readonly ReportAttachment[], candidates?: readonly Candidate[]): FactBody => ({
    ...received(report({ attachments }), candidates), files: Sealed.of(SUBJECT, Object.fromEntries(attachments.map(({ key }) => [key, as<BlobId>(`blob-${key}`)]))),
  });
  const filesTold = (decision: Decision<unknown>): readonly string[] => requests(decision).map(({ party, files = [] }) => `${party?.id ?? 'nobody'}: ${files.map((file) => `${file.name} ${'blob' in file ? file.blob : file.awaited.reveal().address}`).join(', ')}`);

  it('go to whom the report is for', () => expect(filesTold(run([withFiles([pdf('a'), pdf('b')])]))).to.deep.equal(['dr-okafor: report-1.pdf blob-a, report-2.pdf blob-b']));
  it('go again only when they changed; whoever is new gets all', () => {
    expect(filesTold(run([withFiles([pdf('a')]), withFiles([pdf('a'), pdf('b')], [requester(ben)])]))).to.deep.equal(['dr-ruiz: report-1.pdf blob-a, report-2.pdf blob-b', 'dr-okafor: report-2.pdf blob-b']);
  });
  it('that are with their sender still are asked for, for each whom it is for', () => {
    const awaited: ReportAttachment = { key: 'y', awaited: { address: 'https://lis.mercy.example/r4/Binary/9', declared: [] } };
    expect(filesTold(run([withFiles([pdf('a'), awaited])]))).to.deep.equal(['dr-okafor: report-1.pdf blob-a, report-2 https://lis.mercy.example/r4/Binary/9']);
  });
  it('that are not sent on are audited, by reason and without their title', () => {
    const { audit } = run([withFiles([{ key: 'x', title: 'Rosa Quintana', refused: 'active-content' }])]);
    expect(audit[1]).to.deep.equal({ action: 'attachment.refused', because: 'active-content', detail: { source: 'lab', attachment: 'report-1' } });
    expect(JSON.stringify(audit)).not.to.include('Quintana');
  });
});

describe('A delivery of a report', () => {
  it('has the security labels of its resource, sealed, and keeps them: a correction shows what was labelled', () => {
    const labelled = { ...received(report()), resource: Sealed.of(SUBJECT, '{"meta":{"security":[{"code":"42CFRPart2"}]}}') };
    const corrected = received(report({ status: 'corrected', observations: [potassium('4.8')] }));
    const labels = (decision: Decision<unknown>): readonly unknown[] => requests(decision).map((request) => request.labels?.reveal());
    expect(labels(run([labelled]))).to.deep.equal([['part2']]);
    expect(labels(run([labelled, corrected]))).to.deep.equal([['part2']]);
    expect(labels(run([received(report()), corrected]))).to.deep.equal([undefined]);
    expect(JSON.stringify(requests(run([labelled])))).not.to.include('part2');
  });

  it('that is a Part 2 record says what its reader must know of passing it on, in both forms, in a correction too; no other does', () => {
    const labelled = { ...received(report()), resource: Sealed.of(SUBJECT, '{"meta":{"security":[{"code":"42CFRPart2"}]}}') };
    const corrected = received(report({ status: 'corrected', observations: [potassium('4.8')] }));
    const says = (...bodies: Parameters<typeof run>[0]): readonly boolean[] => requests(run(bodies)).flatMap((request) => [request.content.reveal()['body'], request.content.reveal()['formatted_body']].map((text) => String(text).includes('42 CFR part 2 prohibits unauthorized use or disclosure of these records.')));
    expect([says(labelled), says(labelled, corrected), says(received(report()))]).to.deep.equal([[true, true], [true, true], [false, false]]);
  });
});
