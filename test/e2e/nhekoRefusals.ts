/** Part of the tests of the module (synapseModule.test.ts), on their servers: what somebody sees of a refusal who uses a client that nobody wrote for Aceso. */
import { expect } from 'chai';
import { join } from 'node:path';
import { ROOT } from '../support/aceso.ts';
import { missingForNheko, startNheko, type Nheko } from '../support/clients/nheko.ts';
import type { Session } from '../support/lab.ts';

/** Somebody who is in a direct message, by what nheko calls it; and whom they would like to bring in, or write to. */
export type RefusalPlace = { readonly login: () => Promise<Session>; readonly direct: string; readonly third: string; readonly elsewhere: string };

const PICTURES = join(ROOT, 'docs', 'pictures');

export function describeRefusalsInNheko(place: () => Promise<RefusalPlace>): void {
  describe('to whom uses nheko, a stock client,', () => {
    let nheko: Nheko | undefined;
    let at: RefusalPlace;

    before(async function () {
      const missing = missingForNheko();
      if (missing.length > 0) {
        console.log(`    2026-11-28: not shown, since ${missing.join(', ')} are not on this machine. apt-get install nheko xvfb xdotool imagemagick matchbox-window-manager dbus-x11 tesseract-ocr`);
        this.skip();
      }
      at = await place();
      const started = await startNheko(await at.login());
      if (started === 'not installed') throw new Error('nheko was there a moment ago');
      nheko = started;
      await started.openRoom(at.direct);
    });
    after(() => nheko?.stop());

    it('shows why somebody can\'t be invited, and what to do', async () => {
      await screen().send(`/invite ${at.third}`);
      await screen().waitForText(/really want to invite/u);
      await screen().press('Return'); // Yes
      await shows(/Failed to invite/u, /two people/u);
      await picture('nheko-refused-invitation.png');
    });

    it('shows why a room isn\'t made, and what to do', async () => {
      await screen().openLink(`matrix:u/${at.elsewhere.slice(1)}?action=chat`);
      await screen().waitForText(/really want to start/u);
      await screen().press('Return'); // Yes
      await shows(/Room creation failed/u, /people of this hospital/u, /IT department/u);
      await picture('nheko-refused-room.png');
    });

    const screen = (): Nheko => nheko ?? expect.fail('nheko is not started');

    async function shows(first: RegExp, ...others: readonly RegExp[]): Promise<void> {
      const seen = await screen().waitForText(first);
      for (const other of others) expect(seen).to.match(other);
    }

    async function picture(name: string): Promise<void> {
      if (process.env['ACESO_WRITE_DOCS'] === '1') await screen().pictureRead(join(PICTURES, name));
    }
  });
}
