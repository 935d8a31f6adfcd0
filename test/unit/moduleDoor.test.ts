import { expect } from 'chai';
import { createModuleRoutes, type ModuleAnswer, type ModuleQuestion } from '../../src/adapters/matrix/module.ts';
import { localAllow, localRefuse } from '../../src/domain/policy/localRules.ts';
import type { HttpReply } from '../../src/ports/bridge.ts';

const TOKEN = 'a-token-of-the-module-in-the-homeserver';
const EVENT = { room_id: '!r', type: 'm.room.message', sender: '@bob:mercy.example', origin_server_ts: 1, content: { body: 'K 6.8' } };
const ROOM = { version: '12', creator: '@g:mercy.example', template: null, members: { '@bob:mercy.example': { membership: 'join', by: '@bob:mercy.example' } } };

describe('The door of the homeserver\'s module', () => {
  let asked: ModuleQuestion[];
  let refusals: string[];
  let failures: unknown[];
  let answer: (question: ModuleQuestion) => Promise<ModuleAnswer>;
  beforeEach(() => {
    [asked, refusals, failures] = [[], [], []];
    answer = async () => ({ verdict: localAllow('not-for-phi') });
  });

  async function ask(path: string, body: unknown, { method = 'POST', token = TOKEN }: { readonly method?: string; readonly token?: string } = {}): Promise<HttpReply> {
    const { admit } = createModuleRoutes({ token: TOKEN, answer: async (question) => { asked.push(question); return answer(question); }, failed: (error) => failures.push(error), refused: ({ code, status }) => refusals.push(`${status} ${code}`) });
    const admission = await admit({ method, path, query: new URLSearchParams(), headers: { authorization: `Bearer ${token}` }, peer: { address: '127.0.0.1' } });
    return 'reply' in admission ? admission.reply : admission.take(new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)));
  }

  it('answers with the verdict, its words and its rule', async () => {
    answer = async () => ({ verdict: localRefuse('alias-never') });
    const { status, body = '' } = await ask('/alias', { user: '@bob:mercy.example' });
    expect([status, JSON.parse(body)]).to.deep.equal([200, { allowed: false, rule: 'alias-never', revision: 'local-1', error: 'Aliases of rooms are not encrypted, and anybody can look for them. Invite the people instead.' }]);
  });

  it('has words also where no rule allows it', async () => {
    answer = async () => ({ verdict: { allowed: false, rules: [], revision: 'r', message: '', warnings: [] } });
    expect(JSON.parse((await ask('/alias', { user: '@bob:mercy.example' })).body ?? '')).to.deep.include({ rule: 'default-deny', error: 'No rule of this hospital allows it. Ask your IT department or the privacy office.' });
  });

  it('takes an event with what is told of its room', async () => {
    await ask('/event', { event: EVENT, room: ROOM });
    const [question] = asked;
    expect(question).to.deep.include({ about: 'event', roomId: '!r' });
    expect(question).to.have.nested.property('room.template', undefined);
  });

  it('lets nobody in without the token', async () => {
    for (const token of ['', 'wrong', `${TOKEN}x`]) expect((await ask('/alias', { user: '@bob:mercy.example' }, { token })).status).to.equal(401);
    expect([asked, refusals]).to.deep.equal([[], ['401 wrong-token', '401 wrong-token', '401 wrong-token']]);
  });

  it('gives no verdict on what it doesn\'t understand, so that the module refuses', async () => {
    for (const [path, body] of [
      ['/event', '{'], ['/event', '[]'], ['/event', {}], ['/event', { event: EVENT }], ['/event', { event: { ...EVENT, sender: 'bob' }, room: ROOM }], ['/event', { event: { ...EVENT, state_key: 1 }, room: ROOM }],
      // A template that can't be read is not "none".
      ['/event', { event: EVENT, room: { ...ROOM, template: 'results' } }], ['/event', { event: EVENT, room: { ...ROOM, template: {} } }],
      ['/create-room', { user: '@bob:mercy.example' }], ['/publish', { user: '@bob:mercy.example' }], ['/invite-in', {}], ['/another', { user: '@bob:mercy.example' }], ['', {}],
    ] as const) expect((await ask(path, body)).status, `${path} ${JSON.stringify(body)}`).to.equal(400);
    expect((await ask('/alias', {}, { method: 'GET' })).status).to.equal(404);
    expect(asked).to.deep.equal([]);
  });

  it('gives no verdict when it can\'t decide', async () => {
    answer = () => Promise.reject(new Error('the database is away'));
    expect((await ask('/alias', { user: '@bob:mercy.example' })).status).to.equal(503);
    expect(failures).to.have.lengthOf(1);
  });
});
