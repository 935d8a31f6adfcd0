import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { migrate } from '../../src/adapters/store/database.ts';
import { openHospital, openStore } from '../../src/main/compose.ts';
import { migrateDatabase } from '../../src/main/migrate.ts';
import { hospitalFolder } from '../support/hospitalFolder.ts';
import { STORE_KINDS } from '../support/stores.ts';

const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'done', (error: unknown) => (error as Error).message);

for (const kind of STORE_KINDS) {
  describe(`aceso migrate on ${kind}`, () => {
    it('says with --check what would be applied, writes nothing, and then applies it', async () => {
      const mercy = await hospitalFolder(kind);
      const old = openHospital(mercy.config());
      await migrate(old, '0001_loop');
      await old.db.destroy();
      const checked = (await migrateDatabase(mercy.config(), true)).json as { readonly applied: readonly string[]; readonly pending: readonly string[] };
      expect(checked.applied).to.deep.equal(['0001_loop']);
      expect(checked.pending).to.include('0002_workers');
      expect((await migrateDatabase(mercy.config(), true)).json, 'nothing was written').to.deep.equal(checked);
      expect(await outcome(openStore(mercy.config(), 'as-is')), 'a command of the new version').to.include('aceso migrate');
      await migrateDatabase(mercy.config(), undefined);
      expect((await migrateDatabase(mercy.config(), true)).json).to.deep.include({ pending: [] });
    });

    it('refuses a database that a newer Aceso made, and writes nothing to it', async () => {
      const mercy = await hospitalFolder(kind);
      await (await mercy.open()).store.close();
      const newer = openHospital(mercy.config());
      await sql`insert into kysely_migration (name, timestamp) values ('9999_future', '2030-01-01')`.execute(newer.db);
      await newer.db.destroy();
      const before = kind === 'sqlite' ? readFileSync(mercy.at('data/aceso.db')) : undefined;
      for (const run of [() => openStore(mercy.config(), 'migrate'), () => openStore(mercy.config(), 'as-is'), () => migrateDatabase(mercy.config(), undefined)]) expect(await outcome(run())).to.include('newer than this Aceso').and.to.include('9999_future');
      if (before) expect(readFileSync(mercy.at('data/aceso.db')).equals(before)).to.equal(true);
    });
  });
}
