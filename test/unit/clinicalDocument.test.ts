import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { as, type DeliveryId } from '../../src/domain/brand.ts';
import { compare, remember } from '../../src/domain/clinical/news.ts';
import { render, type Content } from '../../src/domain/clinical/render.ts';
import type { ClinicalReport } from '../../src/domain/clinical/report.ts';
import { creatinine, file, fullPanel, H, HH, keptBack, N, options, panel, potassium, sodium } from './clinicalExamples.ts';

const document = new URL('../../docs/message.md', import.meta.url);
const EXAMPLE = /(<!-- example: (.+?) -->\n```\w+\n)([^]*?)```/gu;

function contentAfter(told: ClinicalReport, now: ClinicalReport): Content {
  const news = compare(remember(undefined, told), now);
  if (news.kind === 'nothing') throw new Error(`nothing to tell: ${news.why}`);
  return render(now, news, options({ deliveryId: as<DeliveryId>('d-0002'), ...(news.kind === 'correction' ? { supersedes: as<DeliveryId>('d-0001') } : {}) }));
}

const critical = render(fullPanel(), { kind: 'first' }, options());
const { body: _, formatted_body: __, ...keys } = critical;
const correction = fullPanel({
  status: 'corrected', reportedAt: '2026-11-24T10:20:00-05:00', conclusion: 'Normal potassium.', notes: [], specimens: [{ type: 'Serum', condition: [], accession: 'S26-328-455' }],
  observations: fullPanel().observations.map((line) => (line.name === 'Potassium' ? potassium('4.2', { status: 'corrected', interpretation: N, notes: ['Fresh specimen.'] }) : line)),
});
const { laboratory } = fullPanel();
const withLaboratory = laboratory === undefined ? {} : { laboratory };

const examples: Readonly<Record<string, string>> = {
  'critical body': critical.body,
  'critical formatted_body': critical.formatted_body ?? '',
  'critical keys': JSON.stringify(keys, undefined, 2),
  'files body': render(panel([], { title: 'Histology', conclusion: 'Adenocarcinoma; margins clear.', attachments: [file('a', { title: 'Histology report' }), file('b', { type: 'jpeg', bytes: 1_600_000, title: 'Slide 3' }), keptBack('c')], ...withLaboratory }), { kind: 'first' }, options()).body,
  'correction body': contentAfter(fullPanel(), correction).body,
  'addition body': contentAfter(panel([sodium('138')], { status: 'partial' }), panel([sodium('138'), creatinine('2.10', { interpretation: H })], withLaboratory)).body,
  'withdrawal body': contentAfter(panel([potassium('6.8', { interpretation: HH })]), panel([], { status: 'entered-in-error', notes: ['Wrong patient label.'], ...withLaboratory })).body,
};

describe('docs/message.md', () => {
  const text = readFileSync(document, 'utf8');
  if (process.env['ACESO_WRITE_DOCS'] !== undefined) writeFileSync(document, text.replace(EXAMPLE, (_all, head: string, name: string) => `${head}${examples[name] ?? ''}\n\`\`\``));
  const shown = new Map([...readFileSync(document, 'utf8').matchAll(EXAMPLE)].map(([, , name = '', example = '']) => [name, example]));

  it('shows every example, and no other', () => expect([...shown.keys()]).to.have.members(Object.keys(examples)));
  for (const [name, example] of Object.entries(examples)) it(`shows what the code gives: ${name}`, () => expect(shown.get(name)).to.equal(`${example}\n`));
});
