import { expect } from 'chai';
import { createJournal, type Journal } from '../../src/adapters/crypto/journal.ts';
import { openStore, type Store } from '../../src/adapters/crypto/store.ts';
import { join } from 'node:path';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

describe('The journal of what is sent', () => {
  let folder: string;
  let store: Store;
  let journal: Journal;
  beforeEach(async () => {
    folder = temporaryFolder('journal');
    const storeKey = new Uint8Array(32);
    store = await openStore({ storePath: join(folder, 'courier.db'), storeKey, generation: 1, storeId: 's' }, () => undefined);
    journal = createJournal(store, storeKey);
  });
  afterEach(async () => {
    await store.close();
    removeFolder(folder);
  });

  it('keeps what was encrypted or sent, also when a second upload of the same file ends later', async () => {
    await journal.media('m', '!r', '{"url":"mxc://a/1"}');
    await journal.ready('m', '!r', '{"ciphertext":"c"}', { devices: 1, withheld: 0 });
    await journal.media('m', '!r', '{"url":"mxc://a/2"}');
    expect(await journal.find('m', '!r')).to.include({ state: 'ready', ciphertext: '{"ciphertext":"c"}' });
    await journal.sent('m', '!r', '$e');
    await journal.media('m', '!r', '{"url":"mxc://a/3"}');
    expect(await journal.find('m', '!r')).to.include({ state: 'sent', eventId: '$e' });
    await journal.media('m', '!other', '{"url":"mxc://a/4"}');
    expect(await journal.find('m', '!other'), 'in another room it begins anew').to.include({ state: 'media' });
  });

  it('takes a late answer of the former room for no word about the room that replaced it', async () => {
    await journal.ready('m', '!former', '{"ciphertext":"c"}', { devices: 1, withheld: 0 });
    await journal.media('m', '!latter', '{"url":"mxc://a/1"}');
    await journal.ready('m', '!latter', '{"ciphertext":"d"}', { devices: 2, withheld: 0 });
    await journal.sent('m', '!former', '$e');
    expect(await journal.find('m', '!latter')).to.include({ state: 'ready', ciphertext: '{"ciphertext":"d"}' });
    await journal.refused('m', '!former');
    expect(await journal.find('m', '!latter')).to.include({ state: 'ready', ciphertext: '{"ciphertext":"d"}' });
    await journal.sent('m', '!latter', '$f');
    expect(await journal.find('m', '!latter')).to.include({ state: 'sent', eventId: '$f' });
  });
});
