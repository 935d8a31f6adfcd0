import { expect } from 'chai';
import { createJournal } from '../../src/adapters/crypto/journal.ts';
import { openStore } from '../../src/adapters/crypto/store.ts';
import { join } from 'node:path';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

describe('The journal of what is sent', () => {
  it('keeps what was encrypted or sent, also when a second upload of the same file ends later', async () => {
    const folder = temporaryFolder('journal');
    const storeKey = new Uint8Array(32);
    const store = await openStore({ storePath: join(folder, 'courier.db'), storeKey, generation: 1, storeId: 's' }, () => undefined);
    try {
      const journal = createJournal(store, storeKey);
      await journal.media('m', '!r', '{"url":"mxc://a/1"}');
      await journal.ready('m', '!r', '{"ciphertext":"c"}', { devices: 1, withheld: 0 });
      await journal.media('m', '!r', '{"url":"mxc://a/2"}');
      expect(await journal.find('m', '!r')).to.include({ state: 'ready', ciphertext: '{"ciphertext":"c"}' });
      await journal.sent('m', '$e');
      await journal.media('m', '!r', '{"url":"mxc://a/3"}');
      expect(await journal.find('m', '!r')).to.include({ state: 'sent', eventId: '$e' });
      await journal.media('m', '!other', '{"url":"mxc://a/4"}');
      expect(await journal.find('m', '!other'), 'in another room it begins anew').to.include({ state: 'media' });
    } finally {
      await store.close();
      removeFolder(folder);
    }
  });
});
