import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type LoadedConfig } from '../../src/config/load.ts';
import type { Register } from '../../src/domain/agreements/register.ts';
import { as, type RoomId } from '../../src/domain/brand.ts';
import { personName } from '../../src/domain/people/party.ts';
import { inForce } from '../../src/domain/policy/agreement.ts';
import { decide } from '../../src/domain/decide.ts';
import { settingsOf } from '../../src/main/compose.ts';
import { lookAtAgreements } from '../../src/main/doctor/agreements.ts';
import { createAgreed, type Agreed } from '../../src/main/agreements/agreed.ts';
import { draft, showKey, sign } from '../../src/main/agreements/document.ts';
import { configuredDemands, keepersOf } from '../../src/main/agreements/roomDemands.ts';
import { openServerKeys, rotateServerKeys } from '../../src/adapters/federation/keyFile.ts';
import { standbyOf } from '../../src/domain/agreements/demands.ts';
import type { RoomDemands } from '../../src/domain/agreements/terms.ts';
import { addAgreement, listAgreements, revokeAgreement, showAgreement, verifyEntry, verifyFile } from '../../src/main/agreements/register.ts';
import type { Store } from '../../src/ports/store.ts';
import { allowAll } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

const TEMPLATES = join(import.meta.dirname, '../../config/templates');

type Hospital = { readonly config: LoadedConfig; readonly key: string };

describe('aceso agreements', function () {
  this.timeout(60_000);
  let folder: string;
  let open: OpenStore;
  let mercy: Hospital;
  let stanne: Hospital;
  let file: string;

  async function hospital(server: string, more: object = {}): Promise<Hospital> {
    const path = mkdtempSync(join(folder, 'hospital-'));
    const config = parseConfig(join(path, 'aceso.yaml'), JSON.stringify({
      organisation: { name: server }, homeserver: { url: 'http://127.0.0.1:8008', server_name: server }, appservice: { url: 'http://127.0.0.1:9100' }, partners: [{ server_name: 'clinic.example', name: 'Clinic' }], templates_dir: TEMPLATES, ...more,
    }));
    return { config, key: ((await showKey(config)).json as { readonly key: string }).key };
  }

  /** What the running server would do. */
  async function settle(): Promise<void> {
    for (const claim of await open.store.claimFacts('w', as(Date.now()), 60_000, 10)) {
      const { before, found } = await open.store.weigh(claim.work.aggregate, () => []);
      expect(await open.store.commit(claim, before?.version ?? 0, decide(before?.state, claim.work, { now: as(Date.now()), settings: settingsOf(mercy.config), judge: allowAll, found }))).to.equal(true);
    }
  }

  const refusal = (outcome: Promise<unknown>): Promise<string> => outcome.then(() => 'nothing was refused', (error: unknown) => (error as Error).message);
  const add = (options: { readonly confirmKey?: string; readonly dryRun?: true } = { confirmKey: stanne.key }): Promise<unknown> => addAgreement(open.store, mercy.config, file, { ...options, by: 'eve' });
  const registered = async (): Promise<readonly Register[]> => (await open.store.states('agreement')) as readonly Register[];
  const edit = (change: (text: string) => string): void => writeFileSync(file, change(readFileSync(file, 'utf8')));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-agreements-'));
    [mercy, stanne] = [await hospital('mercy.example'), await hospital('stanne.example')];
    ours = configuredDemands(mercy.config);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    open = await openTestStore('sqlite');
    file = join(mkdtempSync(join(folder, 'file-')), 'agreement.json');
    writeFileSync(file, (await draft(mercy.config, { partner: 'stanne.example', kind: 'treatment', from: '2026-01-01', until: '2199-12-31' })).text);
    await sign(stanne.config, file, undefined);
  });
  afterEach(() => open.store.close());

  describe('by which each policy server stands by for the other\'s', () => {
    let one: Hospital;
    let other: Hospital;
    const drafted = async (config: LoadedConfig, partner = 'stanne.example'): Promise<void> => writeFileSync(file, (await draft(config, { partner, kind: 'treatment', from: '2026-01-01', until: '2199-12-31', standBy: true })).text);
    const rotated = (config: LoadedConfig): void => rotateServerKeys(config.at('policy-server.json'), 'policy', Date.now());

    const standingBy = async (server: string, name: string, more: object = {}): Promise<Hospital> => {
      const made = await hospital(server, { policy_server: { server_name: name, localpart: 'p' }, ...more });
      openServerKeys(made.config.at('policy-server.json'));
      return made;
    };

    beforeEach(async () => {
      [one, other] = [await standingBy('mercy.example', 'policy.mercy.example'), await standingBy('stanne.example', 'policy.stanne.example:8449')];
    });

    it('names guardian, courier and policy server of both, signed by both', async () => {
      await drafted(one.config);
      await sign(other.config, file, undefined);
      await addAgreement(open.store, one.config, file, { confirmKey: other.key, by: 'eve' });
      await settle();
      const [register] = await registered();
      const standby = register && standbyOf(register, as(Date.now()));
      expect(standby).to.deep.equal({ partner: 'stanne.example', own: keepersOf(one.config), theirs: keepersOf(other.config) });
      expect(standby?.theirs).to.deep.include({ guardian: '@aceso_guardian:stanne.example', courier: '@aceso_courier:stanne.example' });
      expect(standby?.theirs.policyServer).to.include({ serverName: 'policy.stanne.example:8449', userId: '@p:policy.stanne.example:8449' });
      expect((await showAgreement(open.store, one.config, 'ag_')).text).to.include(`Stands by  policy.stanne.example:8449 in the rooms of the other, for stanne.example (key ${standby?.theirs.policyServer.publicKey ?? ''})`);
      edit((text) => text.replace(standby?.theirs.policyServer.publicKey ?? '', standby?.own.policyServer.publicKey ?? ''));
      expect(await refusal(verifyFile(one.config, file)), 'another key is another text').to.include('Ask for it again, as it was signed');
    });

    it('needs a policy server on each side', async () => {
      expect(await refusal(drafted(mercy.config))).to.include('this hospital has none: draft it without --stand-by');
      await drafted(one.config);
      expect(await refusal(sign(stanne.config, file, undefined))).to.include('this hospital has none');
    });

    it('differs from a policy server that has another key by now, and can\'t be signed for it', async () => {
      await drafted(one.config);
      await sign(other.config, file, undefined);
      await addAgreement(open.store, one.config, file, { confirmKey: other.key, by: 'eve' });
      await settle();
      expect((await showAgreement(open.store, one.config, 'ag_')).json).not.to.have.property('drift');
      rotated(one.config);
      expect((await showAgreement(open.store, one.config, 'ag_')).json).to.include({ drift: 'rooms' });
      rotated(other.config);
      expect(await refusal(sign(other.config, file, undefined))).to.include('than its rules, templates and policy server do now');
    });

    it('has rooms handed to the partner\'s until they are taken back, or it ends, and that is a problem meanwhile', async () => {
      await drafted(one.config);
      await sign(other.config, file, undefined);
      await addAgreement(open.store, one.config, file, { confirmKey: other.key, by: 'eve' });
      await settle();
      const made = await agreed(one, configuredDemands(one.config));
      const roomId = as<RoomId>('!r');
      expect([await made.handedTo(roomId), made.problem()]).to.deep.equal([undefined, undefined]);
      await open.store.receive([{ source: 'operator', key: 'h', aggregate: { kind: 'agreement', id: 'stanne.example' }, at: as(Date.now()), body: { type: 'operator.hand-over', by: 'eve', reason: 'outage', roomId, room: { kind: 'room', id: 'ada' }, policyUser: as('@policy:policy.mercy.example') } }]);
      await settle();
      expect(made.handed(roomId), 'not read yet').to.equal(undefined);
      expect(await made.handedTo(roomId)).to.deep.equal(keepersOf(other.config)?.policyServer);
      expect(made.handed(roomId)?.serverName).to.equal('policy.stanne.example:8449');
      expect(made.problem()).to.include({ part: 'agreements', code: 'handed-over' });
      await revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve' });
      await settle();
      await made.look();
      expect([made.handed(roomId), await made.handedTo(roomId)]).to.deep.equal([undefined, undefined]);
    });

    it('names no policy server by the name of one of the two hospitals, or of the other\'s', async () => {
      for (const name of ['mercy.example', 'Mercy.example', 'policy.mercy.example']) {
        await drafted(one.config);
        expect(await refusal(sign((await standingBy('stanne.example', name)).config, file, undefined)), name).to.include('a name of its own');
        expect(readFileSync(file, 'utf8'), 'nothing is signed').to.include('"signatures": []');
      }
      expect(await refusal(drafted((await standingBy('mercy.example', 'stanne.example')).config))).to.include('a policy server has a name of its own');
    });

    it('names no policy server that another partner is known by', async () => {
      const third = await standingBy('third.example', 'policy.third.example');
      await drafted(one.config, 'third.example');
      await sign(third.config, file, undefined);
      await addAgreement(open.store, one.config, file, { confirmKey: third.key, by: 'eve' });
      await settle();
      for (const name of ['clinic.example', 'third.example', 'Policy.third.example']) {
        const taken = await standingBy('stanne.example', name, { partners: [] });
        await drafted(one.config);
        await sign(taken.config, file, undefined);
        expect(await refusal(addAgreement(open.store, one.config, file, { confirmKey: taken.key, by: 'eve' })), name).to.include('somebody else\'s name here');
      }
    });

    it('names two for guardian and courier, and nobody whom the directory knows', async () => {
      await drafted(one.config);
      edit((text) => text.replace('@aceso_courier:', '@aceso_guardian:'));
      expect(await refusal(sign(other.config, file, undefined))).to.include('guardian and courier are the same');
      await drafted(one.config);
      await sign(other.config, file, undefined);
      const known: Pick<Store, 'lookup'> = { lookup: async () => new Map([[personName(as('@aceso_guardian:stanne.example')), { aggregate: { kind: 'party', id: 'ada' }, state: {} }]]) };
      expect(await refusal(addAgreement({ ...open.store, ...known }, one.config, file, { confirmKey: other.key, by: 'eve' }))).to.include('a person in this hospital\'s directory');
    });

    it('is not there where an agreement doesn\'t say so', async () => {
      await add();
      await settle();
      expect((await registered()).map((register) => standbyOf(register, as(Date.now())))).to.deep.equal([undefined]);
    });
  });

  it('makes the key once, for its owner alone', async () => {
    expect((await showKey(mercy.config)).json).to.include({ key: mercy.key, made: false });
    expect(statSync(mercy.config.at('agreements-key.json')).mode & 0o077).to.equal(0);
  });

  it('takes one that the partner signed, countersigns it, and verifies it from then on', async () => {
    await add();
    await settle();
    expect((await listAgreements(open.store, mercy.config)).text).to.match(/stanne\.example +treatment +in-force/u).and.to.match(/clinic\.example +treatment +by configuration/u);
    expect((await verifyEntry(open.store, mercy.config, 'ag_')).json).to.include({ good: true });
    expect((await showAgreement(open.store, mercy.config, 'ag_')).text).to.include(`the pinned key ${stanne.key}`);
    expect((await verifyFile(stanne.config, file)).json, 'the partner takes the same file').to.include({ good: true });
  });

  it('takes none whose key nobody confirmed, and says how to', async () => expect(await refusal(add({}))).to.include('Call them on a number you know').and.to.include(`--confirm-key ${stanne.key}`));

  it('takes none with another key than the one confirmed', async () => expect(await refusal(add({ confirmKey: mercy.key }))).to.include('don\'t take it'));

  it('takes none that the partner did not sign', async () => {
    writeFileSync(file, (await draft(mercy.config, { partner: 'stanne.example', kind: 'baa', from: '2026-01-01', until: '2199-12-31' })).text);
    expect(await refusal(add())).to.include('stanne.example hasn\'t signed it yet');
  });

  for (const [given, change] of [
    ['whose last day was changed', (text: string) => text.replace('2199-12-31', '2999-12-31')],
    ['whose kind was changed', (text: string) => text.replace('"treatment"', '"qsoa"')],
    ['whose parties were changed', (text: string) => text.replace('"name": "mercy.example"', '"name": "Somebody else"')],
  ] as const) it(`takes none ${given} after it was signed`, async () => {
    edit(change);
    expect(await refusal(add())).to.include('signed other terms than these');
  });

  it('holds what both ask of shared rooms, signed by both, and shows what passes in them', async () => {
    await add();
    await settle();
    const { text, json } = await showAgreement(open.store, mercy.config, 'ag_');
    expect(text).to.match(/Asked by +mercy\.example, by its policy [0-9a-f]{12}: results, care-team, patient, consult, direct/u).and.to.match(/Asked by +stanne\.example/u).and.to.match(/In results .*👍.*written by .*physician/u);
    expect(json).not.to.have.property('drift');
    const made = await agreed();
    expect(made.roomTerms().map(({ partner, whose }) => [partner, whose])).to.deep.equal([['stanne.example', 'mercy.example'], ['stanne.example', 'stanne.example']]);
    expect([made.isInForce('stanne.example'), made.isInForce('nobody.example')]).to.deep.equal([true, false]);
  });

  it('says so, and shows it, when this hospital asks something else of shared rooms than it has agreed', async () => {
    await add();
    await settle();
    const before = ours;
    ours = { ...ours, kinds: {} };
    try {
      expect((await agreed()).problem()).to.include({ part: 'agreements', code: 'differs' });
    } finally {
      ours = before;
    }
    const strict = { ...mercy.config, templates_dir: mkdtempSync(join(folder, 'templates-')) };
    for (const name of ['results', 'consult']) writeFileSync(join(strict.templates_dir, `${name}.yaml`), readFileSync(join(TEMPLATES, `${name}.yaml`), 'utf8').replace('removals: own', 'removals: never'));
    expect((await showAgreement(open.store, strict, 'ag_')).json).to.include({ drift: 'rooms' });
    expect(await lookAtAgreements(strict, open.store)).to.have.nested.property('[0].level', 'warn');
    expect(await lookAtAgreements(mercy.config, open.store)).to.deep.equal([]);
  });

  it('can\'t be signed for a hospital that asks something else by now than stands in it', async () => {
    edit((text) => text.replace('"removals": "own"', '"removals": "never"'));
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(text) as object), signatures: [] }));
    expect(await refusal(sign(mercy.config, file, undefined)), 'ours were changed by the other side').to.include('Draft it anew');
  });

  it('is signed first by who didn\'t draft it, who adds what they ask', async () => {
    writeFileSync(file, (await draft(mercy.config, { partner: 'stanne.example', kind: 'treatment', from: '2026-01-01', until: '2199-12-31' })).text);
    expect(await refusal(sign(mercy.config, file, undefined))).to.include('stanne.example signs first');
  });

  it('takes none with a wrong signature', async () => {
    edit((text) => text.replace(/\.([A-Za-z0-9_-]{10})([A-Za-z0-9_-]+)"/u, (_, first: string, rest: string) => `.${first.replace(/./u, (letter) => (letter === 'A' ? 'B' : 'A'))}${rest}"`));
    expect(await refusal(add())).to.include('the signature of stanne.example is wrong');
  });

  it('takes none between others', async () => expect(await refusal(addAgreement(open.store, (await hospital('other.example')).config, file, { by: 'eve', confirmKey: stanne.key }))).to.include('other.example is none of them'));

  let ours: RoomDemands;
  const agreed = async (hospital_ = mercy, demands = ours): Promise<Agreed> => {
    const made = createAgreed({ store: open.store, config: () => hospital_.config, settings: () => settingsOf(hospital_.config), demands: () => demands, now: () => as(Date.now()), log: { info: () => undefined, warn: () => undefined, error: () => undefined } });
    await made.look();
    return made;
  };

  it('counts for decisions, senders and the policy server alike', async () => {
    expect((await agreed()).servers()).to.deep.equal(['mercy.example', 'clinic.example']);
    await add();
    await settle();
    const made = await agreed();
    expect(made.servers()).to.deep.equal(['mercy.example', 'clinic.example', 'stanne.example']);
    expect(await made.strangerAmong(['mercy.example', 'stanne.example', 'nobody.example'])).to.equal('nobody.example');
    expect(made.problem()).to.equal(undefined);
  });

  it('counts for the homeserver\'s module too, by what its people\'s organisation has in force', async () => {
    await add();
    await settle();
    const { agreedServers, organisations } = (await agreed()).settings();
    expect(agreedServers).to.include('stanne.example');
    expect(organisations.find(({ id }) => id === 'stanne.example')?.agreements.map(({ kind }) => kind)).to.deep.equal(['treatment']);
    await revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve' });
    await settle();
    const after = (await agreed()).settings();
    expect(after.agreedServers).not.to.include('stanne.example');
    expect(after.organisations.flatMap((each) => (each.id === 'stanne.example' ? inForce(each, as(Date.now())) : []))).to.deep.equal([]);
  });

  it('is heard of by all at once, when a sender of the same process asks', async () => {
    const made = await agreed();
    await add();
    await settle();
    expect(made.servers()).not.to.include('stanne.example');
    expect(await made.strangerAmong(['stanne.example'])).to.equal(undefined);
    expect(made.servers()).to.include('stanne.example');
  });

  it('lets its people go on answering while they are in rooms, when it is over', async () => {
    await add();
    await settle();
    await open.store.receive([{ source: 'operator', key: 'used', aggregate: { kind: 'agreement', id: 'stanne.example' }, at: as(Date.now()), body: { type: 'agreement.used', party: as('dr-okafor') } }]);
    await settle();
    await revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve' });
    await settle();
    const made = await agreed();
    expect(made.servers()).to.include('stanne.example');
    expect(await made.strangerAmong(['stanne.example']), 'nothing new').to.equal('stanne.example');
  });

  it('counts for nobody once a byte of it was changed in the database, or the hospital\'s key isn\'t there, and that is a problem', async () => {
    await add();
    await settle();
    const [register] = await registered();
    if (!register) throw new Error('nothing was added');
    const changed = { ...register, agreements: register.agreements.map((entry) => ({ ...entry, terms: { ...entry.terms, until: '2999-12-31' } })) };
    const vouched = await (await agreed()).vouched(new Map([['stanne.example', { aggregate: { kind: 'agreement', id: 'stanne.example' }, state: changed }]]));
    expect(vouched.get('stanne.example')?.state).to.have.property('agreements').that.deep.equals([]);
    const keyless = await agreed({ ...mercy, config: { ...mercy.config, agreements: { required: false, key_file: 'not-there.json' } } });
    expect(keyless.servers()).not.to.include('stanne.example');
    expect(keyless.problem()).to.include({ part: 'agreements', code: 'not-genuine' });
  });

  it('counts alone when signed agreements are required', async () => {
    await add();
    await settle();
    const strict = { ...mercy, config: { ...mercy.config, agreements: { ...mercy.config.agreements, required: true } } };
    expect((await agreed(strict)).servers()).to.deep.equal(['mercy.example', 'stanne.example']);
    expect((await listAgreements(open.store, strict.config)).text).to.include('doesn\'t count');
  });

  it('changes nothing in a dry run', async () => {
    const text = readFileSync(file, 'utf8');
    await add({ confirmKey: stanne.key, dryRun: true });
    await settle();
    expect([readFileSync(file, 'utf8'), await registered()]).to.deep.equal([text, []]);
  });

  it('revokes one, for a reason from a list, and shows it', async () => {
    await add();
    await settle();
    expect(await refusal(revokeAgreement(open.store, 'ag_', { reason: 'because', by: 'eve' }))).to.include('terminated, breach');
    await revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve', dryRun: true });
    await revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve' });
    await settle();
    expect((await listAgreements(open.store, mercy.config)).text).to.match(/stanne\.example +treatment +revoked/u);
    expect(await refusal(revokeAgreement(open.store, 'ag_', { reason: 'breach', by: 'eve' }))).to.include('was revoked on');
  });
});
