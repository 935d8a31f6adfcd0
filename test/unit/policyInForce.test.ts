import { expect } from 'chai';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { questionOf } from '../../src/adapters/policy/grid.ts';
import { createNotes } from '../../src/adapters/store/notes.ts';
import { createPolicyHistory } from '../../src/adapters/store/policyHistory.ts';
import type { LoadedConfig } from '../../src/config/load.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { applyPolicy, leavePolicy, sharePolicy, type PolicyParts } from '../../src/main/policy/apply.ts';
import { BUILT_IN } from '../../src/main/policy/folder.ts';
import { policyAgain, policyAtStart, readPolicy } from '../../src/main/policy/inForce.ts';
import type { PolicyHistory } from '../../src/ports/policyHistory.ts';
import { organisations, T0 } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

describe('The policy in force', function () {
  this.timeout(60_000);
  let open: OpenStore;
  let folder: string;
  let now = T0 as number;
  const config = (dir?: string): LoadedConfig => ({ ...(dir === undefined ? {} : { policy_dir: dir }), at: (path: string) => path }) as unknown as LoadedConfig;
  const history = (): PolicyHistory => createPolicyHistory(open.database.db);
  const start = async (dir?: string): ReturnType<typeof policyAtStart> => {
    const started = await policyAtStart(readPolicy(config(dir)), history());
    await history().loaded(started.policy.revision, started.policy.text, as<Millis>((now += 1)));
    return started;
  };
  const worker = (id: string): PolicyParts => ({ store: open.store, notes: createNotes(open.database.db), worker: id });
  const someDecided = async (): Promise<void> => {
    const row = { version: 1, changed_at: T0 };
    await open.database.db.insertInto('aggregate').values([
      { kind: 'room', id: 'ada', state: '{"phase":"ready","party":{"id":"ada"}}', phase: 'ready', held: 0, ...row },
      { kind: 'delivery', id: 'd1', state: '{"id":"d1","held":{"code":"policy"}}', phase: 'addressed', held: 1, ...row },
      { kind: 'delivery', id: 'd2', state: '{"id":"d2","held":{"code":"no-device"}}', phase: 'sending', held: 1, ...row },
    ]).execute();
  };
  const spoil = (): void => writeFileSync(join(folder, 'roles.cedar'), 'permit (principal action, resource);');
  const question = questionOf({ role: 'physician', action: 'join', kind: 'results' });

  beforeEach(async () => {
    open = await openTestStore('sqlite', () => T0);
    folder = join(open.folder, 'policy');
    cpSync(BUILT_IN, folder, { recursive: true });
  });
  afterEach(() => open.store.close());

  it('is the one that comes with Aceso when no folder is named, and is kept with its text', async () => {
    const { policy, problem } = await start();
    expect(problem).to.equal(undefined);
    expect(policy.judge(question)).to.include({ allowed: true, revision: policy.revision });
    expect((await history().last())?.text).to.include('billing-never-in-clinical-rooms');
  });

  it('is the folder\'s when one is named', async () => {
    writeFileSync(join(folder, 'roles.cedar'), '@id("nobody-else") @cite("308(a)(4)")\npermit (principal in Role::"nurse", action, resource);');
    expect((await start(folder)).policy.judge(question)).to.deep.include({ allowed: false, rules: ['default-deny'] });
  });

  it('comes back from the history at a start, when the folder\'s can\'t be loaded, and says why', async () => {
    const { policy: good } = await start(folder);
    spoil();
    const { policy, problem } = await start(folder);
    expect(policy.revision).to.equal(good.revision);
    expect(policy.judge(question).allowed).to.equal(true);
    expect(problem).to.deep.include({ part: 'policy', code: 'not-loaded' }).and.to.have.property('message').that.includes('roles.cedar:1').and.includes('unexpected token');
  });

  it('is none when nothing was ever loaded: the start is refused, with what is wrong and where', async () => {
    spoil();
    expect(await start(folder).then(() => 'started', (error: unknown) => (error as Error).message)).to.include('roles.cedar:1: unexpected token');
    expect(await start(join(folder, 'nowhere')).then(() => 'started', (error: unknown) => (error as Error).message)).to.include('aceso policy init');
  });

  it('stays the same when a folder that is read again says the same; what can\'t be loaded is refused, and what is new is taken', async () => {
    const { policy } = await start(folder);
    expect(policyAgain(config(folder), policy).judge).to.equal(policy.judge);
    spoil();
    expect(() => policyAgain(config(folder), policy)).to.throw('roles.cedar:1: unexpected token');
    writeFileSync(join(folder, 'roles.cedar'), '@id("nobody-else") @cite("308(a)(4)")\npermit (principal in Role::"nurse", action, resource);');
    expect(policyAgain(config(folder), policy).judge(question).allowed).to.equal(false);
  });

  it('has what was decided before it asked again, once, and again when agreements change', async () => {
    const parts = worker('w1');
    await someDecided();
    expect(await applyPolicy(parts, 'r1', organisations)).to.equal(2);
    expect((await open.store.claimFacts('w', as<Millis>(Date.now() + 1000), 1000, 10)).map(({ work }) => [work.aggregate.id, work.body.type])).to.deep.equal([['ada', 'policy.changed'], ['d1', 'operator.retry']]);
    expect(await applyPolicy(parts, 'r1', organisations)).to.equal(0);
    expect(await applyPolicy(parts, 'r1', organisations.slice(0, 1))).to.equal(2);
    expect(await applyPolicy(parts, 'r1', organisations)).to.equal(2);
    expect(await sharePolicy(parts, 'r1', organisations)).to.equal(0);
  });

  describe('with several workers that decide', () => {
    const present = (id: string, seenAt = T0, roles: readonly string[] = ['decider']): Promise<void> => open.store.present({ id, roles, address: 'a', startedAt: T0, seenAt });
    beforeEach(async () => {
      await someDecided();
      for (const id of ['w1', 'w2']) {
        await applyPolicy(worker(id), 'r1', organisations);
        await present(id);
      }
    });

    it('is asked again once more when the last of them has it: until then it may have decided by the one before', async () => {
      expect(await applyPolicy(worker('w1'), 'r2', organisations)).to.equal(2);
      expect(await sharePolicy(worker('w1'), 'r2', organisations), 'w2 goes by r1').to.equal(0);
      expect(await sharePolicy(worker('w2'), 'r1', organisations), 'two that differ don\'t ask for ever').to.equal(0);
      expect(await applyPolicy(worker('w2'), 'r2', organisations)).to.equal(2);
      for (const id of ['w1', 'w2']) expect(await sharePolicy(worker(id), 'r2', organisations)).to.equal(0);
    });

    it('is asked again when one went back to it that had told nobody, or when the one that went by others is gone', async () => {
      await applyPolicy(worker('w1'), 'r2', organisations);
      expect(await applyPolicy(worker('w1'), 'r1', organisations)).to.equal(2);
      await applyPolicy(worker('w1'), 'r2', organisations);
      await present('w2', as<Millis>(T0 - 15_001));
      expect(await sharePolicy(worker('w1'), 'r2', organisations)).to.equal(2);
      expect(await sharePolicy(worker('w1'), 'r2', organisations)).to.equal(0);
      await present('w2');
      expect(await sharePolicy(worker('w1'), 'r2', organisations), 'w2 came back, by who knows what').to.equal(0);
      await applyPolicy(worker('w2'), 'r2', organisations);
      expect(await sharePolicy(worker('w1'), 'r2', organisations) + await sharePolicy(worker('w2'), 'r2', organisations)).to.equal(0);
    });

    it('doesn\'t wait for a worker that doesn\'t decide, or that left', async () => {
      await present('w3', T0, ['sender']);
      await open.store.absent('w2');
      expect([await applyPolicy(worker('w1'), 'r2', organisations), await sharePolicy(worker('w1'), 'r2', organisations)]).to.deep.equal([2, 0]);
      await leavePolicy(worker('w1'));
      expect([...(await createNotes(open.database.db).list('policy.judging:')).keys()]).to.deep.equal([]);
    });
  });
});
