import { expect } from 'chai';
import { as, type DeliveryId, type UserId } from '../../src/domain/brand.ts';
import { compare, remember, type Telling } from '../../src/domain/clinical/news.ts';
import { FHIR_CONTENT_KEY, render, type Content } from '../../src/domain/clinical/render.ts';
import type { ClinicalReport } from '../../src/domain/clinical/report.ts';
import { clean, moment } from '../../src/domain/clinical/words.ts';
import { creatinine, fullPanel, H, HH, N, options, panel, potassium, sodium, withoutValue } from './clinicalExamples.ts';

const first = { kind: 'first' } as const;
const bodyOf = (report: ClinicalReport, news: Telling = first): string => render(report, news, options()).body;

/** The message about `now`, for one who was told the versions before it. */
function messageAfter(told: readonly ClinicalReport[], now: ClinicalReport): Content {
  const news = compare(told.reduce<ReturnType<typeof remember> | undefined>(remember, undefined), now);
  if (news.kind === 'nothing') throw new Error(`nothing to tell: ${news.why}`);
  return render(now, news, options());
}

describe('The message of a result (42 CFR 493.1291(c))', () => {
  const body = bodyOf(fullPanel());
  const rows: readonly (readonly [string, string])[] = [
    ['what it is and from whom, first', 'CRITICAL RESULT from Mercy General Hospital\nFor: Dr. Ana Rivera\n\n'],
    ['(1) patient name and identification number', 'Patient: Maria Example\nBorn: 02 Mar 1958, female\nMRN: 00482913 (Mercy General Hospital)'],
    ['(2) name and address of the laboratory', 'Laboratory: Mercy Core Laboratory, 1 Mercy Way, Springfield, IL 62701, +1 555 0100'],
    ['(3) test report date', 'Reported: 24 Nov 2026 08:52 (UTC-05:00)'],
    ['(4) test performed', 'Test: Basic metabolic panel'],
    ['(5) specimen source', 'Specimen: Serum, HAEMOLYSED, no. S26-328-417'],
    ['(6) result, units, interpretation', '• Potassium: 6.8 mmol/L (HH, Critical high)\n  Reference: 3.5 - 5.1 mmol/L\n  Note: Repeated and verified.'],
    ['(6) a comparator and its digits', '• Troponin I: <0.010 ng/mL'],
    ['(7) a missing value and why', '• Glucose: no value (specimen haemolysed)'],
    ['conclusion and notes', 'Conclusion: Hyperkalaemia. Suggest a repeat on a fresh specimen.\nNote: Slight haemolysis may raise potassium.'],
    ['who ordered, when it was collected', 'Ordered by: Dr. Ana Rivera\nCollected: 24 Nov 2026 08:15 (UTC-05:00)'],
    ['status and filler number', 'Filler number: 26-328-00417'],
    ['who reported, and whom to call', 'Reported by: Sam Okafor, MLS'],
    ['whom to call', 'Questions: call Mercy Core Laboratory, +1 555 0100.'],
  ];
  for (const [what, text] of rows) it(`says ${what}`, () => expect(body).to.include(text));

  it('puts critical values first, then abnormal ones, then the rest in the order of the source', () => {
    const order = ['Potassium', 'Creatinine', 'Sodium', 'Troponin I', 'Glucose'].map((name) => body.indexOf(`• ${name}`));
    expect(order).to.deep.equal([...order].sort((a, b) => a - b));
    expect(order).to.not.include(-1);
  });

  it('says plainly which identification is missing', () => {
    expect(bodyOf(panel([sodium('138')], { patient: { name: '' } }))).to.include('Patient: not given\nBorn: not given\nMRN: not given').and.include('Laboratory: not given');
  });

  it('shows what differs within a panel at its line: specimen, status, time', () => {
    const text = bodyOf(panel([sodium('138'), potassium('4.2', { specimen: 'Plasma', status: 'preliminary', observedAt: '2026-11-24T09:00:00Z' })]));
    expect(text).to.include('Status: preliminary\n  Specimen: Plasma\n  Observed: 24 Nov 2026 09:00 (UTC)').and.not.include('Status: final\n  ');
  });

  it('never shows a value of a withdrawn line as a result', () => {
    expect(bodyOf(panel([potassium('6.8', { interpretation: HH, status: 'entered-in-error' })]))).to.include('Potassium: ENTERED IN ERROR (6.8 mmol/L (HH, Critical high) does not hold)').and.match(/^Result from/u);
  });

  it('shows no value of a report that was cancelled before it was told, whatever the status of its lines', () => {
    const cancelled = panel([sodium('138'), potassium('6.8', { interpretation: HH })], { status: 'cancelled', notes: ['Mislabelled.'] });
    expect(bodyOf(cancelled)).to.match(/^CANCELLED RESULT from/u).and.include('VALUES\n• Sodium: CANCELLED (138 mmol/L does not hold)').and.include('• Potassium: CANCELLED (6.8 mmol/L (HH, Critical high) does not hold)').and.include('No result will come').and.not.match(/^CRITICAL$/mu);
  });

  const headings: readonly (readonly [string, ClinicalReport, string])[] = [
    ['a normal result', panel([sodium('138')]), 'Result from'],
    ['a preliminary critical one', panel([potassium('6.8', { interpretation: HH })], { status: 'preliminary' }), 'CRITICAL RESULT (preliminary) from'],
    ['one of unknown status', panel([], { status: 'unknown' }), 'Result (status unknown) from'],
    ['a cancelled one', panel([], { status: 'cancelled', notes: ['Clotted.'] }), 'CANCELLED RESULT from'],
    ['an urgent message', panel([], { kind: 'message', priority: 'stat', conclusion: 'Come.' }), 'URGENT MESSAGE from'],
    ['a message', panel([], { kind: 'message', conclusion: 'Come.' }), 'Message from'],
  ];
  for (const [what, report, heading] of headings) it(`opens ${what} with "${heading}"`, () => expect(bodyOf(report).startsWith(heading)).to.equal(true));

  it('tells a message as one: subject, text, sender, no laboratory', () => {
    const text = bodyOf(panel([], { kind: 'message', title: 'Bed 4', conclusion: 'Please review.\n\nDose is due.', reporters: ['Lee, RN'] }));
    expect(text).to.include('Subject: Bed 4').and.include('Text: Please review.\n  Dose is due.').and.include('Sent by: Lee, RN').and.not.match(/Laboratory|Questions|Status/u);
  });

  it('tells somebody new that a report is withdrawn', () => expect(bodyOf(panel([potassium('6.8')], { status: 'entered-in-error' }))).to.include('Do not rely on anything in it.').and.include('Potassium: ENTERED IN ERROR (6.8 mmol/L does not hold)'));
  it('says so when a report holds nothing that can be shown', () => expect(bodyOf(panel([]))).to.include('look it up at the sender'));
});

describe('The message of a correction (42 CFR 493.1291(k))', () => {
  const told = fullPanel();
  const corrected = fullPanel({ status: 'corrected', observations: [sodium('138', { interpretation: N }), potassium('4.2', { status: 'corrected' })], conclusion: 'Normal potassium.' });
  const { body } = messageAfter([told], corrected);

  it('says first that the earlier message no longer holds', () => expect(body).to.match(/^CORRECTED RESULT from Mercy General Hospital\nFor: Dr. Ana Rivera\n\nThe earlier message no longer holds/u));
  it('puts old and new side by side', () => {
    expect(body).to.include('CHANGED\n• Potassium: was 6.8 mmol/L (HH, Critical high), now 4.2 mmol/L\n').and.include('Conclusion was: Hyperkalaemia. Suggest a repeat on a fresh specimen.\nConclusion now: Normal potassium.');
  });
  it('names what stands, and what the sender left out with what was told of it', () => {
    expect(body).to.include('Unchanged since the earlier message: Sodium\n').and.include('Told earlier, not repeated here by the sender: Creatinine 2.10 mg/dL (H, High); Troponin I <0.010 ng/mL; Glucose no value');
  });
  it('calls a correction that is critical so', () => expect(messageAfter([panel([potassium('4.2')])], panel([potassium('6.8', { interpretation: HH })])).body).to.match(/^CORRECTED RESULT, CRITICAL from/u));
  it('takes back each value of a withdrawn report, without its range and old notes', () => {
    const text = messageAfter([told], panel([], { status: 'entered-in-error' })).body;
    expect(text).to.include('Do not rely on anything it said').and.include('• Potassium: was 6.8 mmol/L (HH, Critical high), now ENTERED IN ERROR\n• Creatinine').and.not.include('Repeated and verified');
  });
  it('shows both patients, and every value, when it named another one', () => {
    const text = messageAfter([panel([sodium('138')])], panel([sodium('138')], { patient: { name: 'John Sample', birthDate: '1970-01-31', mrn: { value: '7', authority: 'Mercy General Hospital' } } })).body;
    expect(text).to.include('IT NAMED THE PATIENT DIFFERENTLY').and.include('Patient: John Sample').and.include('Patient in the earlier message: Maria Example, born 02 Mar 1958, female, MRN 00482913 (Mercy General Hospital)').and.include('Sodium: 138 mmol/L');
  });
  it('says when a mark is all that changed', () => expect(messageAfter([panel([sodium('138')])], panel([sodium('138')], { status: 'corrected' })).body).to.include('No value that you were told has changed.').and.include('Unchanged since the earlier message: Sodium'));
  it('adds to an ongoing report only what is new', () => {
    const text = messageAfter([panel([sodium('138')], { status: 'partial' })], panel([sodium('138'), creatinine('2.1', { interpretation: H })])).body;
    expect(text).to.match(/^Result \(more\) from/u).and.include('• Creatinine: 2.1 mg/dL (H, High)').and.not.include('138');
  });
  it('lets nothing of a late older version look like the present', () => {
    const text = messageAfter([panel([potassium('4.2')], { status: 'corrected' })], panel([potassium('6.8', { interpretation: HH }), sodium('138')], { reportedAt: '2026-11-24T08:00:00-05:00' })).body;
    expect(text).to.include('• Sodium: 138').and.include('What you were told stands').and.not.match(/6\.8|Potassium/u);
  });
});

describe('The event (Matrix client-server API, m.room.message)', () => {
  const content = render(fullPanel(), first, options({ supersedes: as<DeliveryId>('d-0000') }));

  it('is a text message with HTML that a stock client shows', () => expect(content).to.include({ msgtype: 'm.text', format: 'org.matrix.custom.html' }));
  it('mentions its recipients, each once, and nobody else', () => {
    const user = as<UserId>('@a:x.example');
    expect(render(fullPanel(), first, options({ to: [{ userId: user, name: 'Team' }, { userId: user, name: 'Team' }] }))['m.mentions']).to.deep.equal({ user_ids: [user] });
    expect(Object.keys(content['m.mentions'])).to.deep.equal(['user_ids']);
  });
  it('carries the FHIR resource as text, each decimal as it came, under one key', () => expect(content[FHIR_CONTENT_KEY]).to.equal(options().fhir));
  it('says what the resource is in the words of MSC4302 and gematik', () => {
    expect(content['de.gematik.fhir.structure_definition']).to.deep.equal({ url: 'http://hl7.org/fhir/StructureDefinition/DiagnosticReport', type: 'DiagnosticReport', version: '4.0.1', fhir_version: '4.0.1' });
  });
  it('names its delivery, and the one it takes the place of', () => expect(content['org.aceso.delivery']).to.deep.equal({ id: 'd-0001', kind: 'first', supersedes: 'd-0000' }));
  it('has a heading even when nobody is addressed yet', () => expect(render(fullPanel(), first, options({ to: [] })).body).to.match(/^CRITICAL RESULT from/u));

  const long = (count: number): ClinicalReport => panel([...Array.from({ length: count }, (_, at) => sodium(`${at}.25`, { key: `k${at}`, name: `Analyte number ${at}` })), potassium('6.8', { interpretation: HH })]);
  it('gives up the HTML before it gives up a word', () => {
    const { body, format, formatted_body: html } = render(long(350), first, options());
    expect({ format, html }).to.deep.equal({ format: undefined, html: undefined });
    expect(body).to.include('Analyte number 349: 349.25 mmol/L').and.not.include('INCOMPLETE');
  });
  it('says first that it is incomplete when even the plain text does not fit, and keeps the critical values and whom to call', () => {
    const { body } = render(long(5000), first, options());
    expect(body).to.match(/^INCOMPLETE: /u).and.include('Potassium: 6.8 mmol/L (HH, Critical high)').and.match(/\n\[cut here\]\n/u).and.include('Questions: ');
    expect(body.slice(0, body.indexOf('\n[cut here]')).split('\n').at(-1)).to.match(/^(• Analyte number \d+: \d+\.25 mmol\/L|  Reference: 136 - 145 mmol\/L)$/u);
  });
  it('stays within what fits an event once encrypted', () => {
    for (const count of [10, 100, 250, 400, 5000]) {
      const { [FHIR_CONTENT_KEY]: _, ...rest } = render(long(count), first, options());
      expect(Buffer.byteLength(JSON.stringify(rest))).to.be.at.most(40 * 1024);
    }
  });
});

describe('Words from outside', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['collapses white space', ' a\t\tb\u00a0\n c ', 'a b c'],
    ['shows a control character rather than join two numbers', '6\u00008', '6\ufffd8'],
    ['shows a direction override', '\u202e8.6', '\ufffd8.6'],
    ['leaves out what is not seen anyway', 'so\u00adfi\u200ba\ufeff', 'sofia'],
    ['keeps joiners that a script needs', 'می\u200cخواهم', '\u2068می\u200cخواهم\u2069'],
    ['isolates a right-to-left name', 'שרה', '\u2068שרה\u2069'],
    ['lets nobody be mentioned: @room', 'tell @room now', 'tell @\u2060room now'],
    ['lets nobody be mentioned: @room behind a letter', '一@room x@ROOM', '一@\u2060room x@\u2060ROOM'],
    ['lets nobody be mentioned: a user', '@eve:evil.example', '@\u2060eve:evil.example'],
    ['lets nobody be mentioned: a link', 'https://matrix.to/#/@eve:evil.example', 'https://matrix\u2060.to/#/@\u2060eve:evil.example'],
    ['lets nobody be mentioned: a matrix URI', 'matrix:u/eve:evil.example', 'matrix\u2060:u/eve:evil.example'],
    ['leaves an e-mail address alone', 'lab@mercy.example', 'lab@mercy.example'],
    ['leaves units and comparators alone', '>= 10*3/uL {ratio} µg/L', '>= 10*3/uL {ratio} µg/L'],
    ['mends a broken surrogate', 'a\ud800', 'a\ufffd'],
  ];
  for (const [what, text, expected] of rows) it(what, () => expect(clean(text)).to.equal(expected));

  const times: readonly (readonly [string, string])[] = [
    ['2026-11-24T08:15:00-05:00', '24 Nov 2026 08:15 (UTC-05:00)'], ['2026-11-24T08:15:30.250Z', '24 Nov 2026 08:15:30 (UTC)'], ['2026-11-24T08:15:00+05:30', '24 Nov 2026 08:15 (UTC+05:30)'],
    ['2026-11-24T08:15', '24 Nov 2026 08:15 (zone not stated)'], ['1958-03-02', '02 Mar 1958'], ['1958-03', 'Mar 1958'], ['1958', '1958'], ['2026-13-01', '2026-13-01'], ['yesterday', 'yesterday'],
  ];
  for (const [time, words] of times) it(`writes ${time} as ${words}`, () => expect(moment(time)).to.equal(words));

  it('escapes what is HTML, in every place', () => {
    const evil = '<img src=x onerror=alert(1)>&"\'';
    const html = render(fullPanel({ title: evil, notes: [evil], patient: { name: evil } }), first, options({ from: evil })).formatted_body ?? '';
    expect(html).to.include('&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;').and.not.include('<img');
  });

  it('keeps a value without a unit, and a line without a name', () => {
    expect(bodyOf(panel([{ key: 'k', name: '', code: '600-7', status: 'final', value: { text: 'Positive' }, notes: [] }]))).to.include('• 600-7: Positive\n');
    expect(bodyOf(panel([withoutValue(potassium(''), { status: 'final' })]))).to.include('no value, and no reason given');
  });
});
