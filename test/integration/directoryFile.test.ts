import { expect } from 'chai';
import { as, type UserId } from '../../src/domain/brand.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { bringFromFile } from '../../src/main/directory.ts';
import { hospitalFolder } from '../support/hospitalFolder.ts';
import { STORE_KINDS } from '../support/stores.ts';

const ada = (server: string): Party => ({ id: as('dr-okafor'), kind: 'person', name: 'Dr. Ada Okafor', members: [as<UserId>(`@ada:${server}`)], identifiers: [] });

for (const kind of STORE_KINDS) {
  it(`The directory on ${kind} takes an entry of the file once, so that what is done by command stays, until the entry changes`, async () => {
    const { store, notes } = await (await hospitalFolder(kind)).open();
    expect(await bringFromFile(store, notes, [ada('mercy.example')])).to.deep.equal(['dr-okafor']);
    expect(await bringFromFile(store, notes, [ada('mercy.example')]), 'the next start').to.deep.equal([]);
    expect(await bringFromFile(store, notes, [ada('stanne.example')]), 'edited').to.deep.equal(['dr-okafor']);
    expect(await bringFromFile(store, notes, [ada('stanne.example')]), 'the start after that').to.deep.equal([]);
    await store.close();
  });
}
