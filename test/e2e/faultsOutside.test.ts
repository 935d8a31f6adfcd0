import { expect } from 'chai';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { startFaultyProxy, type Behaviour, type FaultyProxy } from '../support/faultyProxy.ts';
import { sharedHospitals } from '../support/lab.ts';
import { sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '1500000001';
const unknownToken = { status: 401, body: '{"errcode":"M_UNKNOWN_TOKEN","error":"x"}' };

type Case = { readonly what: string; readonly behaviour: Behaviour; readonly shows?: string };
const cases: readonly Case[] = [
  { what: 'is slow', behaviour: { delayMs: 700 } },
  { what: 'limits', behaviour: { status: 429, body: '{"errcode":"M_LIMIT_EXCEEDED","error":"x","retry_after_ms":300}' }, shows: 'limited' },
  { what: 'fails', behaviour: { status: 500, body: '{"errcode":"M_UNKNOWN","error":"Internal server error"}' }, shows: 'unavailable' },
  { what: 'is replaced by its proxy\'s error page', behaviour: { status: 502, body: '<html><body>Bad Gateway</body></html>', headers: { 'content-type': 'text/html' } }, shows: 'unavailable' },
  { what: 'answers 200 with nonsense', behaviour: { status: 200, body: '{"hello":["world"]}' }, shows: 'invalid' },
  { what: 'answers 200 with what is no JSON', behaviour: { status: 200, body: '\u0000not json' }, shows: 'unavailable' },
  { what: 'resets the connection', behaviour: 'reset', shows: 'unavailable' },
  { what: 'resets it in the middle of its answers', behaviour: 'reset in the answer', shows: 'unavailable' },
  { what: 'no longer takes our token', behaviour: unknownToken, shows: 'unauthorized' },
];

describe('While the homeserver', function () {
  this.timeout(120_000);
  let proxy: FaultyProxy;
  let aceso: Aceso;
  let ada: Client;
  const problem = async (part: string): Promise<{ readonly code: string; readonly message: string } | undefined> => {
    const { problems } = (await (await fetch(`${aceso.operationsUrl}/readyz`)).json()) as { readonly problems: readonly { readonly part: string; readonly code: string; readonly message: string }[] };
    return problems.find((each) => each.part === part);
  };

  before(async () => {
    const hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('faults_ada', 'pw');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'faults_ada', password: 'pw' });
    proxy = await startFaultyProxy(hospitals.mercy.baseUrl);
    aceso = await newAceso({ mercy: { ...hospitals.mercy, baseUrl: proxy.url }, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'ada', name: 'Dr. Ada', user_id: user, npi: NPI }] });
    await aceso.start();
    await tell(aceso, 'F-0', NPI);
    await sees(ada, 'F-0');
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    await proxy.stop();
    aceso.remove();
  });

  for (const [index, { what, behaviour, shows }] of cases.entries()) {
    it(`${what}: results are taken all the same${shows ? ', the state says so' : ''}, and each arrives once afterwards`, async () => {
      proxy.behave(behaviour);
      const before = proxy.hit;
      await tell(aceso, `F-${index + 1}a`, NPI);
      await tell(aceso, `F-${index + 1}b`, NPI);
      if (shows) {
        const found = await until('the problem to show', async () => ((known) => (known?.code === shows ? known : undefined))(await problem('homeserver')));
        expect(found.message).to.match(/waits/u);
        await until('the metric to show it', async () => (await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).includes(`aceso_problem{part="homeserver",code="${shows}"} 1`));
      }
      await until('the fault to be met', () => proxy.hit > before + 2);
      proxy.behave('as it is');
      for (const accession of [`F-${index + 1}a`, `F-${index + 1}b`]) await sees(ada, accession, 60_000);
      await until('the problem to be over', async () => (await problem('homeserver')) === undefined);
    });
  }

  it('has been all of this, nothing came twice, and nothing is held', async () => {
    const bodies = ada.messages.map(({ content }) => /F-\d+[ab]?/u.exec(String(content['body']))?.[0]);
    expect([...bodies].sort()).to.deep.equal([...new Set(bodies)].sort());
    expect(bodies).to.have.lengthOf(1 + 2 * cases.length);
    expect(ada.undecryptable).to.deep.equal([]);
    await until('nothing to be held', async () => (await aceso.cli<{ readonly held: number }>('status')).held === 0);
  });
});
