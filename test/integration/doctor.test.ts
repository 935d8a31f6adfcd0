import { expect } from 'chai';
import { chmodSync, copyFileSync, openSync, readFileSync, writeSync, closeSync, statSync } from 'node:fs';
import { sql } from 'kysely';
import { openHospital } from '../../src/main/compose.ts';
import { diagnose } from '../../src/main/doctor/doctor.ts';
import type { Finding } from '../../src/main/doctor/finding.ts';
import { as, type SourceId } from '../../src/domain/brand.ts';
import { hospitalFolder, type HospitalFolder } from '../support/hospitalFolder.ts';
import { received, report, T0 } from '../support/reports.ts';
import { STORE_KINDS } from '../support/stores.ts';

const findings = async (mercy: HospitalFolder): Promise<readonly Finding[]> => ((await diagnose(mercy.config())).json as { readonly findings: readonly Finding[] }).findings;
const of = (list: readonly Finding[], what: string): Finding => {
  const found = list.find((finding) => finding.what === what);
  if (!found) throw new Error(`nothing was said of ${what}: ${list.map((finding) => finding.what).join(', ')}`);
  return found;
};
/** A hospital with one result in its database; no homeserver answers at its address. */
async function hospital(kind: (typeof STORE_KINDS)[number]): Promise<HospitalFolder> {
  const mercy = await hospitalFolder(kind);
  mercy.edit((text) => text.replace('http://127.0.0.1:8008', 'http://127.0.0.1:9'));
  const { store } = await mercy.open();
  await store.receive([{ source: as<SourceId>('lab'), key: 'k', aggregate: { kind: 'report', id: 'r' }, at: T0, body: received(report()) }]);
  await store.close();
  return mercy;
}

describe('aceso doctor', function () {
  this.timeout(120_000);

  for (const kind of STORE_KINDS) {
    it(`finds a database on ${kind} whole, of this version, and opened by its keys; and goes on when the homeserver is away`, async () => {
      const mercy = await hospital(kind);
      const list = await findings(mercy);
      expect(of(list, 'database')).to.include({ level: 'ok' });
      expect(of(list, 'schema').level).to.equal('ok');
      expect(of(list, 'keys').is).to.include('all 1');
      expect(of(list, 'server').level).to.equal('warn');
      expect(of(list, 'homeserver')).to.include({ level: 'fail' }).and.to.have.property('todo').that.includes('homeserver.url');
      expect((await diagnose(mercy.config())).failed).to.equal(true);
      for (const finding of list.filter(({ level }) => level !== 'ok')) expect(finding.todo, finding.what).to.be.a('string');
    });
  }

  it('says nothing of patients, and shows no secret', async () => {
    const mercy = await hospital('sqlite');
    const { text } = await diagnose(mercy.config());
    const secrets = [...readFileSync(mercy.at('registration.yaml'), 'utf8').matchAll(/_token: (\S+)/gu)].map(([, token]) => token ?? '');
    expect(secrets.length).to.equal(2);
    for (const word of ['Quintana', '00481516', ...secrets]) expect(text).not.to.include(word);
  });

  it('tells the key file of another hospital, and one that others can read', async () => {
    const mercy = await hospital('sqlite');
    copyFileSync((await hospitalFolder('sqlite')).at('keys.json'), mercy.at('keys.json'));
    expect(of(await findings(mercy), 'keys')).to.include({ level: 'fail' });
    chmodSync(mercy.at('keys.json'), 0o644);
    expect(of(await findings(mercy), 'key file').is).to.include('chmod 600');
  });

  it('finds a page of the database that was damaged', async () => {
    const mercy = await hospital('sqlite');
    const file = mercy.at('data/aceso.db');
    const opened = openSync(file, 'r+');
    for (let page = 2; page * 4096 < statSync(file).size; page += 1) writeSync(opened, Buffer.alloc(2000, 0xff), 0, 2000, page * 4096);
    closeSync(opened);
    expect(of(await findings(mercy), 'database')).to.include({ level: 'fail' }).and.to.have.property('todo').that.includes('restore the backup');
  });

  it('tells a database that is older or newer, and people whom no agreement reaches', async () => {
    const mercy = await hospital('sqlite');
    const database = openHospital(mercy.config());
    await sql`insert into kysely_migration (name, timestamp) values ('9999_future', '2030-01-01')`.execute(database.db);
    await database.db.destroy();
    mercy.edit((text) => text.replace('people: []', 'people: [{ id: dr-x, name: Dr. X, user_id: "@x:nowhere.example" }]'));
    const list = await findings(mercy);
    expect(of(list, 'schema')).to.include({ level: 'fail' }).and.to.have.property('is').that.includes('9999_future');
    expect(of(list, 'directory').is).to.include('nowhere.example');
  });
});
