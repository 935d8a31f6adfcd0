import { expect } from 'chai';
import fc from 'fast-check';
import { escapeHtml } from '../../src/domain/clinical/blocks.ts';
import { compare, isCriticalNews, remember, type Known } from '../../src/domain/clinical/news.ts';
import { sameValue } from '../../src/domain/clinical/difference.ts';
import { statedLines } from '../../src/domain/clinical/known.ts';
import { isWithdrawn } from '../../src/domain/clinical/status.ts';
import { render } from '../../src/domain/clinical/render.ts';
import type { ClinicalReport, ObservationLine, ReportStatus } from '../../src/domain/clinical/report.ts';
import { clean } from '../../src/domain/clinical/words.ts';
import { H, HH, L, N, options } from './clinicalExamples.ts';

const hostile = ['<b>x</b>', '</p><table><tr><td>', '<script>alert(1)</script>', '&lt;', '@room', '\u202e8.6', 'a\nb', '\u0000', 'שלום', '6.8', ' ', '\ud800', '<!--', ']]>', '"\''];
const text = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...hostile) }, { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) }), { maxLength: 4 }).map((parts) => parts.join(''));
const status = fc.constantFrom<ReportStatus>('registered', 'partial', 'preliminary', 'final', 'final', 'final', 'amended', 'corrected', 'appended', 'cancelled', 'entered-in-error', 'unknown');

const line = (words: fc.Arbitrary<string>): fc.Arbitrary<ObservationLine> =>
  fc.tuple(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), name: words, status, notes: fc.array(words, { maxLength: 2 }) }),
    fc.record({ value: fc.tuple(words, fc.constantFrom('', '<', '>=')).map(([value, comparator]) => ({ text: value, comparator, unit: 'mmol/L' })), absent: words, interpretation: fc.constantFrom(HH, H, L, N), referenceRange: words, specimen: words }, { requiredKeys: [] }),
  ).map(([required, given]) => ({ ...required, ...given }));

const report = (words: fc.Arbitrary<string>): fc.Arbitrary<ClinicalReport> =>
  fc.tuple(
    fc.record({
      kind: fc.constantFrom('result', 'result', 'message'), status, priority: fc.constantFrom('routine', 'stat'), title: words, observations: fc.array(line(words), { maxLength: 5 }), notes: fc.array(words, { maxLength: 2 }),
      patient: fc.record({ name: words, birthDate: fc.constantFrom('1958-03-02', '1970'), mrn: fc.record({ value: words, authority: words }) }),
      specimens: fc.array(fc.record({ type: words, condition: fc.array(words, { maxLength: 2 }) }), { maxLength: 2 }), reporters: fc.array(words, { maxLength: 2 }),
    }),
    fc.record({ conclusion: words, orderer: words, reportedAt: fc.integer({ min: 10, max: 14 }).map((hour) => `2026-11-24T${hour}:00:00Z`), laboratory: fc.record({ name: words, address: words, phone: words }), fillerNumber: words }, { requiredKeys: [] }),
  ).map(([required, given]) => ({ ...required, ...given }));

/** Few different words, so that versions of a report meet. */
const ongoing = report(fc.constantFrom('4.2', '6.8', '6.80', 'note'));
const knownAfter = (versions: readonly ClinicalReport[]): Known | undefined => versions.reduce<Known | undefined>(remember, undefined);
const strip = (html: string): readonly string[] => html.replace(/<[^>]*>/gu, '').replace(/&(?:lt|gt|quot|#39|amp);/gu, (entity) => ({ '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" })[entity] ?? '&').split('\n').filter((row) => row !== '');
/** Without the isolates that stand around each right-to-left line, and on one line. */
const flat = (written: string): string => written.replace(/[\u2068\u2069]/gu, '').replace(/\s+/gu, ' ');
const rowsOf = (body: string): readonly string[] => body.split('\n').map((row) => row.replace(/^ *(?:• )?/u, '')).filter((row) => row !== '');

describe('For any report', () => {
  it('every value, name, note and identification is in the body, and escaped in the formatted body', () => {
    fc.assert(fc.property(report(text), (given) => {
      const { body, formatted_body: html = '' } = render(given, { kind: 'first' }, options());
      const told = [
        ...given.observations.flatMap(({ name, value, notes, referenceRange }) => [name, value?.text, ...notes, referenceRange]),
        given.title, given.conclusion, ...given.notes, given.patient.name, given.patient.mrn?.value, given.patient.mrn?.authority, given.orderer, given.fillerNumber, given.laboratory?.name, given.laboratory?.address, given.laboratory?.phone, ...given.reporters,
      ];
      const flatBody = flat(body);
      const flatHtml = flat(html.replaceAll('<br>', ''));
      for (const word of told.map((whole) => flat(clean(whole ?? '')))) {
        expect(flatBody).to.include(word);
        expect(flatHtml).to.include(escapeHtml(word));
      }
    }), { numRuns: 150 });
  });

  it('only our own five tags are in the formatted body, balanced and without attributes, and never a table', () => {
    fc.assert(fc.property(report(text), (given) => {
      const open: string[] = [];
      for (const [tag, closing, name = ''] of (render(given, { kind: 'first' }, options()).formatted_body ?? '').matchAll(/<(\/?)([^>]*)>/gu)) {
        expect(['<p>', '</p>', '<strong>', '</strong>', '<ul>', '</ul>', '<li>', '</li>', '<br>']).to.include(tag);
        if (closing === '/') expect(open.pop()).to.equal(name);
        else if (name !== 'br') open.push(name);
      }
      expect(open).to.deep.equal([]);
    }), { numRuns: 150 });
  });

  it('the formatted body with its tags dropped says what the body says, row by row, also of a correction', () => {
    fc.assert(fc.property(report(text), report(text), (before, given) => {
      const news = compare(remember(undefined, before), given);
      const { body, formatted_body: html = '' } = render(given, news.kind === 'nothing' ? { kind: 'first' } : news, options());
      expect(strip(html)).to.deep.equal(rowsOf(body));
    }), { numRuns: 150 });
  });

  it('no control, override or broken character is left, and nobody is mentioned by a text', () => {
    fc.assert(fc.property(report(text), (given) => {
      const { body, formatted_body: html = '' } = render(given, { kind: 'first' }, options());
      for (const written of [body, html]) {
        expect(written).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066\u2067]/u);
        expect(written).to.not.match(/@room/iu);
        expect(written.isWellFormed()).to.equal(true);
      }
    }), { numRuns: 150 });
  });
});

describe('For any history of a report', () => {
  const history = fc.array(ongoing, { maxLength: 4 });

  it('the same version again is never news', () => {
    fc.assert(fc.property(history, ongoing, (before, given) => {
      expect(compare(remember(knownAfter(before), given), given).kind).to.equal('nothing');
    }), { numRuns: 1000 });
  });

  it('a move of the status from preliminary to final alone is never news', () => {
    fc.assert(fc.property(ongoing.filter(({ observations }) => observations.length > 0), (given) => {
      const versions = (['preliminary', 'final'] as const).map((move) => ({ ...given, status: move, observations: given.observations.map((each) => ({ ...each, value: each.value ?? { text: '1' }, status: move })) }));
      const [preliminary = given, final = given] = versions;
      expect(compare(remember(undefined, preliminary), final).kind).to.equal('nothing');
    }), { numRuns: 300 });
  });

  it('a critical value that was not told as such is critical news, unless it came late or is withdrawn', () => {
    fc.assert(fc.property(history, ongoing, (before, given) => {
      const known = knownAfter(before);
      const fresh: ObservationLine = { key: 'new', name: 'Potassium', status: 'final', value: { text: '6.8' }, interpretation: HH, notes: [] };
      const now: ClinicalReport = { ...given, status: 'final', reportedAt: '2026-11-24T23:00:00Z', observations: [...given.observations, fresh] };
      expect(isCriticalNews(compare(known, now), now)).to.equal(true);
    }), { numRuns: 300 });
  });

  it('who reads every message knows the newest value of each line, and holds none that was withdrawn', () => {
    fc.assert(fc.property(fc.array(ongoing.map(({ reportedAt: _, ...undated }) => undated), { minLength: 1, maxLength: 5 }), (versions) => {
      const reader = new Map<string, ObservationLine>();
      let known: Known | undefined;
      for (const version of versions) {
        const news = compare(known, version);
        known = remember(known, version);
        for (const now of news.kind === 'nothing' ? [] : news.kind === 'first' ? statedLines(undefined, version) : news.changes.lines.map((change) => change.now)) reader.set(now.key, now);
        if (!known.told) continue;
        for (const now of statedLines(known, version)) {
          const read = reader.get(now.key);
          const gone = isWithdrawn(now.status);
          if (gone) expect(read?.value === undefined || isWithdrawn(read.status), `${now.key} is withdrawn`).to.equal(true);
          else if (now.value !== undefined) expect(read?.value !== undefined && !isWithdrawn(read.status) && sameValue(read.value, now.value), `${now.key} is ${now.value.text}`).to.equal(true);
        }
      }
    }), { numRuns: 500 });
  });

  it('what is known survives JSON, and no line is ever forgotten', () => {
    fc.assert(fc.property(history, ongoing, (before, given) => {
      const known = knownAfter(before);
      const after = remember(known, given);
      expect(JSON.parse(JSON.stringify(after))).to.deep.equal(after);
      expect(after.lines.map(({ key }) => key)).to.include.members(known?.lines.map(({ key }) => key) ?? []);
    }), { numRuns: 300 });
  });
});
