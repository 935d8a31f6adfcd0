import { expect } from 'chai';
import { as, type UserId } from '../../src/domain/brand.ts';
import { partyNames, type Party } from '../../src/domain/people/party.ts';
import { bringAtStart, bringFromFile, checkFromFile, conflictsIn, DirectoryConflict } from '../../src/main/directory.ts';
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

  it(`The directory on ${kind} comes up with an entry of the file whose identifier is somebody else's by now: it is held until that ends, and everybody else is taken`, async () => {
    const npi = [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1234567893' }];
    const { store, notes } = await (await hospitalFolder(kind)).open();
    const eve: Party = { ...ada('mercy.example'), id: as('dr-eve'), members: [as<UserId>('@eve:mercy.example')], identifiers: npi };
    const file = [{ ...ada('mercy.example'), identifiers: npi }, { ...ada('mercy.example'), id: as<Party['id']>('dr-bell'), members: [as<UserId>('@bell:mercy.example')] }];
    // The names of an entry are there once its fact is decided.
    await store.receive([{ source: 'operator', key: 'eve', aggregate: { kind: 'party', id: eve.id }, at: as(0), body: { type: 'party.changed', party: eve, by: 'ehr', room: 'on-demand' } }]);
    const [claim] = await store.claimFacts('w', await store.clock(), 60_000, 1);
    if (!claim) throw new Error('nothing to decide');
    await store.commit(claim, 0, { state: eve, names: partyNames(eve), audit: [] });
    expect(await bringAtStart(store, notes, file)).to.deep.equal({ brought: ['dr-bell'], held: ['dr-okafor'] });
    expect((await conflictsIn(store, notes, file)).get('dr-okafor'), 'for whoever looks').to.match(/already belongs to dr-eve/u);
    expect(await checkFromFile(store, notes, file).catch((error: unknown) => error instanceof DirectoryConflict), 'a reload is refused').to.equal(true);
    expect(await bringAtStart(store, notes, file.map((party) => ({ ...party, identifiers: [] }))), 'taken out of the file').to.deep.equal({ brought: ['dr-okafor'], held: [] });
    await store.close();
  });
}
