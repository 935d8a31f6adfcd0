import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, ROOT, type Aceso } from '../support/aceso.ts';
import { missingForNheko, startNheko, type Nheko } from '../support/clients/nheko.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { membershipOf, roomOf, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '1000000051';
const PICTURES = join(ROOT, 'docs', 'pictures');

describe('nheko, a stock desktop client that nobody wrote for Aceso', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso | undefined;
  let nheko: Nheko | undefined;

  before(async function () {
    const missing = missingForNheko();
    if (missing.length > 0) {
      console.log(`    2026-11-24: not shown, since ${missing.join(', ')} are not on this machine. apt-get install nheko xvfb xdotool imagemagick matchbox-window-manager dbus-x11 tesseract-ocr`);
      this.skip();
    }
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    const user = await stAnne.register('nheko_ada', 'password-of-nheko');
    const session = await stAnne.login('nheko_ada', 'password-of-nheko', 'nheko');
    aceso = await newAceso({ mercy, slot: hospitals.takeSlot(), partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'ada', name: 'Dr. Ada Okafor', user_id: user, npi: NPI }] });
    const started = aceso;
    const [shown] = await Promise.all([startNheko(session), started.start()]);
    if (shown === 'not installed') throw new Error('nheko was there a moment ago');
    nheko = shown;
    await until('ada to be enrolled', () => started.cli('people', 'enrol', 'ada'), 60_000, 200);
    await until('the invitation', async () => await membershipOf(started, 'ada', user) === 'invited', 60_000, 200);
    const roomId = (await roomOf(started, 'ada'))?.roomId ?? '';
    await until('the invitation to be taken', () => matrix(stAnne.baseUrl, `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, { token: session.accessToken, body: {} }));
    await until('the invitation to be accepted', async () => await membershipOf(started, 'ada', user) === 'joined', 60_000, 200);
  });
  after(async () => {
    await Promise.all([nheko?.stop(), aceso?.stop()]);
    aceso?.remove();
  });

  it('shows the message: whose it is, the value, and its flag', async () => {
    if (!nheko || !aceso) throw new Error('not started');
    await tell(aceso, 'L-2026-3391', NPI);
    await nheko.openRoom('Clinical');
    expectMessage(await nheko.waitForText(/Questions/u));
    await picture('nheko.png');
  });

  it('lets the person answer: the reply is encrypted, from a device they signed, and becomes evidence', async () => {
    if (!nheko || !aceso) throw new Error('not started');
    expect(await nheko.text()).not.to.match(/permission to send messages/u);
    await nheko.reply('Treating now.');
    const { history } = await aceso.delivery('answered', ({ phase }) => phase === 'answered');
    expect(history.map(({ what }) => what)).to.include('reply, from a device its owner signed');
  });

  it('shows it in a window as narrow as a phone too', async () => {
    await nheko?.likeAPhone();
    expectMessage((await nheko?.waitForText(/Questions/u)) ?? '');
    await picture('nheko-narrow.png');
  });

  function expectMessage(shown: string): void {
    for (const part of [/CRITICAL RESULT/u, /Rosa Quintana/u, /02 Mar 1958/u, /00481516/u, /Potassium: 6\.8 mmol/u, /3\.5/u, /HAEMOLYSED/u, /Mercy Laboratory/u]) expect(shown).to.match(part);
    expect(shown).not.to.match(/not be decrypted|no key to unlock/iu);
  }

  async function picture(name: string): Promise<void> {
    if (process.env['ACESO_WRITE_DOCS'] !== '1') return;
    mkdirSync(PICTURES, { recursive: true });
    await nheko?.screenshot(join(PICTURES, name));
  }
});
