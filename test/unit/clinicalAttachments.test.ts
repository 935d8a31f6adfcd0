import { expect } from 'chai';
import { as, type DeliveryId } from '../../src/domain/brand.ts';
import { REFUSALS, withNames } from '../../src/domain/clinical/attachment.ts';
import { attachmentsIn, compare, remember, type Telling } from '../../src/domain/clinical/news.ts';
import { render } from '../../src/domain/clinical/render.ts';
import { renderFile } from '../../src/domain/clinical/renderFile.ts';
import type { ClinicalReport } from '../../src/domain/clinical/report.ts';
import { file, keptBack, options, panel, potassium } from './clinicalExamples.ts';

const first = { kind: 'first' } as const;
const after = (before: ClinicalReport, now: ClinicalReport): Telling => {
  const news = compare(remember(undefined, before), now);
  if (news.kind === 'nothing') throw new Error(news.why);
  return news;
};
const bodyOf = (report: ClinicalReport, news: Telling = first): string => render(report, news, options()).body;

describe('The message of a result with files', () => {
  it('names each by a name of our own, with its title, kind and size, and says that it follows', () => {
    const report = panel([potassium('6.8')], { attachments: [file('a'), file('b', { type: 'jpeg', bytes: 1_600_000, title: 'Maria Example, slide 3' })] });
    expect(bodyOf(report)).to.include('ATTACHMENTS\n• report-1.pdf: Histology (PDF, 208 KB), follows this message\n• report-2.jpg: Maria Example, slide 3 (JPEG image, 1.5 MB), follows this message');
    expect(render(report, first, options())['org.aceso.attachments']).to.deep.equal([
      { name: 'report-1.pdf', mimetype: 'application/pdf', size: 213_000, hash: file('a').sha1 }, { name: 'report-2.jpg', mimetype: 'image/jpeg', size: 1_600_000, hash: file('b').sha1 },
    ]);
  });

  it('says that one is still to be fetched, and where to look until then', () => {
    const report = panel([], { attachments: [{ key: 'x', title: 'Histology', awaited: { address: 'https://lis.mercy.example/r4/Binary/9', declared: ['application/pdf'] } }] });
    expect(bodyOf(report)).to.include('• report-1: Histology, is fetched from the sender and follows; until then see the record').and.not.to.include('lis.mercy');
    expect(render(report, first, options())).not.to.have.property('org.aceso.attachments');
  });

  for (const refused of Object.keys(REFUSALS) as readonly (keyof typeof REFUSALS)[]) {
    it(`says that one is not sent, and why: ${refused}`, () => {
      const report = panel([], { attachments: [keptBack('x', { refused })] });
      expect(bodyOf(report)).to.include(`• Viewer (text/html): attachment not sent: ${REFUSALS[refused]}; see the record`);
      expect(render(report, first, options())).not.to.have.property('org.aceso.attachments');
    });
  }

  it('keeps the place of each in its name, whatever is not sent before it', () => {
    expect(withNames('message', [keptBack('x'), file('a', { type: 'cda' })]).map(({ name }) => name)).to.deep.equal(['message-1', 'message-2.xml']);
  });

  it('lets no title act, and cuts a long one and a long list', () => {
    const many = Array.from({ length: 30 }, (_, index) => keptBack(String(index), { title: `@room ${'x'.repeat(500)}` }));
    const body = bodyOf(panel([potassium('6.8')], { attachments: many }));
    expect(body).not.to.match(/@room/u);
    expect(body).to.include('• and 10 more; see the record');
    expect(body.length).to.be.lessThan(5000);
  });

  it('tells in a correction only the files that are new', () => {
    const [was, now] = [panel([potassium('6.8')], { attachments: [file('a'), file('b')] }), panel([potassium('4.2')], { status: 'corrected', attachments: [file('a'), file('c')] })];
    expect(attachmentsIn(after(was, now), now).map(({ name, key }) => `${name} ${key}`)).to.deep.equal(['report-2.pdf c']);
    expect(bodyOf(now, after(was, now))).to.include('• report-2.pdf: Histology (PDF, 208 KB), follows this message\n• 1 more, unchanged since the earlier message');
    const fileAlone = panel([potassium('6.8')], { status: 'corrected', attachments: [file('c')] });
    expect(bodyOf(fileAlone, after(was, fileAlone))).to.include('its attachments have changed. Read them in place of the earlier ones');
  });

  it('sends none of what is withdrawn', () => {
    const withdrawn = panel([potassium('6.8')], { status: 'entered-in-error', attachments: [file('b')] });
    expect(attachmentsIn(after(panel([potassium('6.8')]), withdrawn), withdrawn)).to.deep.equal([]);
    expect(attachmentsIn(first, panel([], { status: 'cancelled', conclusion: 'Specimen lost.', attachments: [file('b')] })), 'told for the first time').to.deep.equal([]);
    expect(bodyOf(withdrawn, after(panel([potassium('6.8')]), withdrawn))).not.to.include('ATTACHMENTS');
  });
});

describe('The event of a file', () => {
  const delivery = as<DeliveryId>('d-1');
  it('is a file under a name that tells nothing, mentions nobody, and says which attachment of the resource it is', () => {
    expect(renderFile({ ...file('a', { title: 'Maria Example' }), name: 'report-1.pdf' }, delivery)).to.deep.equal({
      'msgtype': 'm.file', 'body': 'report-1.pdf', 'filename': 'report-1.pdf', 'info': { mimetype: 'application/pdf', size: 213_000 }, 'm.mentions': {}, 'org.aceso.delivery': { id: 'd-1' }, 'org.aceso.attachment': { hash: file('a').sha1 },
    });
  });
  it('is an image where clients show it in place', () => {
    const { msgtype, info } = renderFile({ ...file('a', { type: 'png', size: { width: 640, height: 480 } }), name: 'report-1.png' }, delivery);
    expect([msgtype, info]).to.deep.equal(['m.image', { mimetype: 'image/png', size: 213_000, w: 640, h: 480 }]);
    expect(renderFile({ ...file('a', { type: 'tiff' }), name: 'report-1.tiff' }, delivery).msgtype).to.equal('m.file');
  });
});
