import { expect } from 'chai';
import { createScim, type ScimSource } from '../../bridges/scim/index.ts';
import { criteriaIn } from '../../bridges/scim/filter.ts';
import { userCriterion } from '../../bridges/scim/users.ts';
import { createAuthenticator } from '../../src/adapters/auth/authenticator.ts';
import { createThrottle } from '../../src/adapters/auth/throttle.ts';
import { as, type FactId, type SourceId } from '../../src/domain/brand.ts';
import { decide } from '../../src/domain/decide.ts';
import type { FactBody } from '../../src/domain/fact.ts';
import { fail, ok } from '../../src/domain/outcome.ts';

import { staffId, type Fed, type Staff } from '../../src/domain/people/staff.ts';
import type { Authenticator, BridgeEvent, StaffDesk } from '../../src/ports/bridge.ts';
import { sha256 } from '../fixtures/fhir/endpoint.ts';
import { allowAll, organisations, T0 } from '../support/reports.ts';

const TOKEN = 'token-of-the-identity-provider';
const OKTA = as<SourceId>('okta');
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
type Answer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Readonly<Record<string, unknown>> };
type Ask = (method: string, path: string, body?: object | string, token?: string) => Promise<Answer>;

/** The door over staff entries that are decided as the loop does; what would be told to the directory is kept. */
function door(changes: Partial<ScimSource> = {}, authenticator?: Authenticator) {
  const states = new Map<string, Staff>();
  const told = new Map<string, Fed & { readonly userId?: string | undefined }>();
  const events: BridgeEvent[] = [];
  const mood: { down?: true; between?: (() => void) | undefined } = {};
  const say = (body: FactBody & { readonly type: 'staff.said' }): void => {
    const id = staffId(body);
    const feeds = new Map([[OKTA, { roles: { 'group|Physicians': ['physician'], 'group|Ärzte': ['physician'], 'group|Billing': ['billing'] } }]]);
    const { state, raise = [] } = decide(states.get(id), { id: as<FactId>('f'), aggregate: { kind: 'staff', id }, at: T0, body }, { now: T0, judge: allowAll, found: new Map(), settings: { organisations, feeds, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 } });
    states.set(id, state as Staff);
    for (const { body: raised } of raise) if (raised.type === 'party.fed') told.set(id, { ...raised.fed, userId: raised.made?.userId });
  };
  const desk: StaffDesk = {
    async staff(news) {
      if (mood.down) return fail('unavailable', 'away', { retry: true });
      const { between } = mood;
      mood.between = undefined;
      between?.();
      for (const { said } of news) say({ type: 'staff.said', ...said });
      return ok(news.map(({ key }) => ({ id: key, version: 1, created: true })));
    },
    one: async (source, subject) => ok(states.get(staffId({ source, subject }))),
    all: async () => ok([...states.values()]),
    observe: (event) => void events.push(event),
  };
  const bridge = createScim({ baseUrl: 'https://aceso.mercy.example/scim/v2', sources: [{ id: OKTA, matrixId: '@{userName.local}:mercy.example', identifiers: { employeeNumber: 'urn:mercy:staff' }, ...changes }] }, {
    desk, authenticator: authenticator ?? createAuthenticator({ sources: [OKTA, as<SourceId>('lab')].map((id) => ({ id, types: [], tokens: [{ sha256: sha256(id === OKTA ? TOKEN : 'lab') }], issued: [], certificates: [], certificate: 'enough' })), issuers: [], throttle: createThrottle(), now: () => T0 }), clock: () => 0,
  });
  const ask: Ask = async (method, path, body = '', token = TOKEN) => {
    const [where = '', query = ''] = path.split('?', 2);
    const [route] = bridge.routes;
    const admission = await route?.admit({ method, path: where, query: new URLSearchParams(query), headers: { authorization: `Bearer ${token}` }, peer: { address: '192.0.2.7' } });
    if (admission === undefined) throw new Error('no route');
    const reply = 'reply' in admission ? admission.reply : await admission.take(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
    if (!('reply' in admission)) admission.done?.();
    return { status: reply.status, headers: reply.headers ?? {}, body: (reply.body ? JSON.parse(reply.body) : {}) as Answer['body'] };
  };
  return { ask, states, told, events, mood, say };
}

const ada = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE], userName: 'Ada@mercy.org', externalId: '00u1', name: { givenName: 'Ada', familyName: 'Okafor' }, emails: [{ primary: true, type: 'work', value: 'ada@mercy.org' }], password: 'secret-of-ada', active: true, [ENTERPRISE]: { department: 'ICU', employeeNumber: '4711' } };
const patch = (...Operations: readonly object[]): object => ({ schemas: [PATCH], Operations });

describe('An identity provider at the SCIM door', () => {
  let at: ReturnType<typeof door>;
  let id: string;
  const user = (): Promise<Answer> => at.ask('GET', `/Users/${id}`);
  const fed = (): (Fed & { readonly userId?: string | undefined }) | undefined => at.told.get(`okta User/${id}`);
  const change = async (...operations: readonly object[]): Promise<Answer> => at.ask('PATCH', `/Users/${id}`, patch(...operations));
  const group = async (displayName: string, ...members: readonly string[]): Promise<string> => (await at.ask('POST', '/Groups', { displayName, members: members.map((value) => ({ value })) })).body['id'] as string;
  const found = async (path: string): Promise<readonly Readonly<Record<string, unknown>>[]> => (await at.ask('GET', path)).body['Resources'] as readonly Readonly<Record<string, unknown>>[];

  beforeEach(async () => {
    at = door();
    id = (await at.ask('POST', '/Users', ada)).body['id'] as string;
  });

  it('makes a user, reads it back, and keeps nothing that it doesn\'t need', async () => {
    const { status, body, headers } = await user();
    expect([status, headers['content-type']]).to.deep.equal([200, 'application/scim+json; charset=utf-8']);
    expect(body).to.deep.equal({
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE], id, userName: 'Ada@mercy.org', externalId: '00u1', name: { givenName: 'Ada', familyName: 'Okafor' }, active: true, [ENTERPRISE]: { employeeNumber: '4711', department: 'ICU' }, groups: [],
      meta: { resourceType: 'User', location: `https://aceso.mercy.example/scim/v2/Users/${id}` },
    });
    expect(JSON.stringify([...at.states.values()])).to.not.include('secret-of-ada').and.not.include('emails');
    expect(fed()).to.deep.include({ active: true, department: 'ICU', userId: '@ada:mercy.example' }).and.not.have.property('roles');
    expect(fed()?.identifiers).to.deep.include({ system: 'urn:mercy:staff', value: '4711' });
  });

  it('refuses a second user of the same name, whatever its case, and one without', async () => {
    expect((await at.ask('POST', '/Users', { ...ada, userName: 'ada@MERCY.org' })).body).to.deep.equal({ schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '409', detail: 'Another user has this userName.', scimType: 'uniqueness' });
    expect((await at.ask('POST', '/Users', { active: true })).body).to.include({ status: '400', scimType: 'invalidValue' });
    expect((await at.ask('POST', '/Users', 'no JSON')).body).to.include({ status: '400', scimType: 'invalidSyntax' });
  });

  it('finds by userName without regard to case and by externalId with it, in pages that begin at 1', async () => {
    for (const name of ['b', 'c', 'd']) await at.ask('POST', '/Users', { userName: name });
    const count = async (query: string): Promise<unknown> => (await at.ask('GET', `/Users?${query}`)).body['totalResults'];
    expect([await count('filter=userName%20eq%20%22ADA%40mercy.org%22'), await count('filter=externalId eq "00u1"'), await count('filter=externalId eq "00U1"'), await count('filter=userName eq "nobody"'), await count('')]).to.deep.equal([1, 1, 0, 0, 4]);
    const pages = [await at.ask('GET', '/Users?startIndex=1&count=3'), await at.ask('GET', '/Users?startIndex=4&count=3'), await at.ask('GET', '/Users?count=0')].map(({ body }) => [body['totalResults'], body['startIndex'], body['itemsPerPage']]);
    expect(pages).to.deep.equal([[4, 1, 3], [4, 4, 1], [4, 1, 0]]);
    for (const filter of ['userName sw "a"', 'userName eq "a" or userName eq "b"', 'not (userName eq "a")', 'userName eq', 'userName eq "a" and']) expect((await at.ask('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body, filter).to.include({ status: '400', scimType: 'invalidFilter' });
    expect(criteriaIn('id eq "a\\"b" and active eq true', userCriterion)).to.deep.equal({ ok: true, value: [{ attribute: 'id', value: 'a"b' }, { attribute: 'active', value: 'true' }] });
  });

  it('changes nothing when the same is put again', async () => {
    const { body } = await user();
    const before = at.states.get(`okta User/${id}`);
    expect([(await at.ask('PUT', `/Users/${id}`, body)).status, at.states.get(`okta User/${id}`)]).to.deep.equal([200, before]);
  });

  const leaving: readonly (readonly [string, object])[] = [
    ['Okta\'s PATCH', { op: 'replace', value: { active: false } }],
    ['Entra\'s PATCH', { op: 'Replace', path: 'active', value: 'False' }],
    ['Entra\'s compliant PATCH', { op: 'replace', path: 'active', value: false }],
  ];
  for (const [name, operation] of leaving) {
    it(`has whoever is not active any more leave, by ${name}, and come back`, async () => {
      expect((await change(operation)).body).to.include({ active: false });
      expect(fed()?.active).to.equal(false);
      await change({ op: 'Replace', path: 'active', value: true });
      expect(fed()?.active).to.equal(true);
    });
  }

  it('takes attributes as they are sent: dotted, nested, below a schema; and leaves what it doesn\'t keep alone', async () => {
    await change(
      { op: 'Add', value: { 'name.familyName': 'Okafor-Lin', displayName: 'Dr. Ada' } }, { op: 'replace', path: `${ENTERPRISE}:department`, value: 'Cardiology' }, { op: 'replace', path: 'emails[type eq "work"].value', value: 'x@y' },
      { op: 'add', value: { name: { givenName: 'A.' }, [ENTERPRISE]: { organization: 'Mercy' } } }, { op: 'remove', path: 'externalId' },
    );
    const { body } = await user();
    expect(body).to.deep.include({ displayName: 'Dr. Ada', name: { givenName: 'A.', familyName: 'Okafor-Lin' }, [ENTERPRISE]: { employeeNumber: '4711', department: 'Cardiology', organization: 'Mercy' } }).and.not.have.property('externalId');
    for (const operations of [[{ op: 'move', path: 'active' }], [{ op: 'replace', path: 'active', value: 'perhaps' }], [{ op: 'remove' }], [{ op: 'remove', path: 'userName' }], [{ op: 'replace', path: 'title', value: 'x'.repeat(300) }]]) expect((await change(...operations)).status, JSON.stringify(operations)).to.equal(400);
    expect((await at.ask('PATCH', `/Users/${id}`, { schemas: [PATCH] })).status).to.equal(400);
    const wide = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`a${index}`, 1]));
    const deep = JSON.parse(`${'{"name":'.repeat(200)}1${'}'.repeat(200)}`) as object;
    for (const operation of [{ op: 'replace', path: 'x'.repeat(300), value: 1 }, { op: 'replace', path: 'x', value: wide }, { op: 'replace', value: deep }]) {
      const { status, body } = await at.ask('PATCH', `/Users/${id}`, patch(operation));
      expect([status, (body as { readonly detail?: string }).detail?.includes('at most')]).to.deep.equal([400, true]);
    }
  });

  it('gives the roles of its groups, and takes them with the membership, as Okta and Entra send it', async () => {
    const physicians = await group('Physicians', id);
    expect(fed()?.roles).to.deep.equal(['physician']);
    expect((await user()).body['groups']).to.deep.equal([{ value: physicians, $ref: `https://aceso.mercy.example/scim/v2/Groups/${physicians}`, display: 'Physicians' }]);
    const members = (...operations: readonly object[]): Promise<Answer> => at.ask('PATCH', `/Groups/${physicians}`, patch(...operations));
    const roles = async (...operations: readonly object[]): Promise<unknown> => { expect((await members(...operations)).status).to.equal(200); return fed()?.roles; };
    const [inside, outside] = [['physician'], []];
    expect(await roles({ op: 'remove', path: `members[value eq "${id}"]` }), 'Okta').to.deep.equal(outside);
    expect(await roles({ op: 'add', path: 'members', value: [{ value: id, display: 'Ada' }] })).to.deep.equal(inside);
    expect(await roles({ op: 'Remove', path: 'members', value: [{ $ref: null, value: id }] }), 'Entra').to.deep.equal(outside);
    expect(await roles({ op: 'Add', path: 'members', value: [{ $ref: null, value: id }] })).to.deep.equal(inside);
    expect(await roles({ op: 'replace', path: 'members', value: [] })).to.deep.equal(outside);
    expect(await roles({ op: 'replace', value: { members: [{ value: id }] } })).to.deep.equal(inside);
    expect(await roles({ op: 'remove', path: 'members' })).to.deep.equal(outside);
    await at.ask('PUT', `/Groups/${physicians}`, { displayName: 'Physicians', members: [{ value: id }] });
    expect(fed()?.roles).to.deep.equal(inside);
    expect((await at.ask('DELETE', `/Groups/${physicians}`)).status).to.equal(204);
    expect([fed()?.roles, (await at.ask('GET', `/Groups/${physicians}`)).status]).to.deep.equal([outside, 404]);
  });

  it('gives other roles when a group has another name, none for a name without any, and lets no two have one', async () => {
    const groupId = await group('Physicians', id);
    await group('Nurses');
    const rename = (displayName: string): Promise<Answer> => at.ask('PATCH', `/Groups/${groupId}`, patch({ op: 'replace', value: { id: groupId, displayName } }));
    await rename('Billing');
    expect(fed()).to.deep.include({ roles: ['billing'] });
    await rename('Choir');
    expect(fed()).to.deep.include({ roles: [], unknown: ['group|Choir'] });
    expect((await rename('nurses')).body).to.include({ status: '409', scimType: 'uniqueness' });
    expect((await at.ask('PATCH', `/Groups/${groupId}`, patch({ op: 'add', path: 'members', value: [{ value: 'nobody' }] }))).body).to.include({ status: '400', scimType: 'invalidValue' });
  });

  it('finds groups by name, with their members or without', async () => {
    const groupId = await group('Ärzte', id);
    expect(await found('/Groups?filter=displayName%20eq%20%22ärzte%22')).to.have.length(1);
    expect((await found('/Groups?excludedAttributes=members&filter=displayName eq "Ärzte"'))[0]).to.not.have.property('members');
    expect(await found(`/Groups?filter=id eq "${groupId}" and members eq "${id}"`)).to.have.length(1);
    expect((await at.ask('GET', `/Groups/${groupId}`)).body['members']).to.deep.equal([{ value: id, $ref: `https://aceso.mercy.example/scim/v2/Users/${id}` }]);
  });

  it('knows whoever is deleted as who they were when they come back', async () => {
    await group('Physicians', id);
    expect((await at.ask('DELETE', `/Users/${id}`)).status).to.equal(204);
    expect([fed()?.active, (await user()).status, (await at.ask('DELETE', `/Users/${id}`)).status, await found('/Users')]).to.deep.equal([false, 404, 404, []]);
    expect((await at.ask('POST', '/Users', ada)).body['id']).to.equal(id);
    expect(fed()?.active).to.equal(true);
  });

  it('gives whoever is deleted and comes back no role of their old groups, whether the groups are there or not', async () => {
    const physicians = await group('Physicians', id);
    await at.ask('DELETE', `/Users/${id}`);
    await at.ask('POST', '/Users', ada);
    expect([fed()?.active, fed()?.roles, (await user()).body['groups']]).to.deep.equal([true, [], []]);
    await at.ask('PATCH', `/Groups/${physicians}`, patch({ op: 'add', path: 'members', value: [{ value: id }] }));
    expect(fed()?.roles).to.deep.equal(['physician']);
  });

  it('ends a role that somebody has who is no user any more, when the group changes, when it goes, and when they come back', async () => {
    const physicians = await group('Physicians');
    const strayIn = async (): Promise<void> => {
      await at.ask('DELETE', `/Users/${id}`);
      at.say({ type: 'staff.said', source: OKTA, subject: `User/${id}`, post: `Group/${physicians}/${id}`, said: { identifiers: [], codes: ['group|Physicians'], organisation: [], active: true } });
      expect(fed()?.roles).to.deep.equal(['physician']);
    };
    await strayIn();
    await at.ask('PATCH', `/Groups/${physicians}`, patch({ op: 'replace', value: { externalId: '7' } }));
    expect(fed()?.roles).to.deep.equal([]);
    await strayIn();
    await at.ask('POST', '/Users', ada);
    expect(fed()?.roles).to.deep.equal([]);
    await strayIn();
    expect((await at.ask('DELETE', `/Groups/${physicians}`)).status).to.equal(204);
    expect(fed()?.roles).to.deep.equal([]);
  });

  it('finds by attributes written with their schema too, and refuses to look for what it doesn\'t keep: nobody found would mean that there is nobody', async () => {
    const groupId = await group('Physicians', id);
    const [core, groups] = ['urn:ietf:params:scim:schemas:core:2.0:User', 'urn:ietf:params:scim:schemas:core:2.0:Group'];
    for (const filter of [`${core}:userName eq "ada@MERCY.org"`, `${core}:id eq "${id}"`, `${ENTERPRISE}:employeeNumber eq "4711"`, 'name.familyName eq "okafor" and active eq true']) expect(await found(`/Users?filter=${encodeURIComponent(filter)}`), filter).to.have.length(1);
    for (const filter of [`${groups}:displayName eq "physicians"`, `${groups}:members.value eq "${id}"`, `id eq "${groupId}"`]) expect(await found(`/Groups?filter=${encodeURIComponent(filter)}`), filter).to.have.length(1);
    for (const [where, filter] of [['Users', 'emails.value eq "ada@mercy.org"'], ['Users', `${ENTERPRISE}:userName eq "ada@mercy.org"`], ['Users', 'members eq "x"'], ['Groups', 'userName eq "x"'], ['Groups', `${core}:displayName eq "Physicians"`]] as const) {
      expect((await at.ask('GET', `/${where}?filter=${encodeURIComponent(filter)}`)).body, filter).to.include({ status: '400', scimType: 'invalidFilter' });
    }
  });

  it('makes no twin of a group that is sent again before it is known that it was stored', async () => {
    // Stored by the first request, which was answered 503; decided while the second is under way.
    const subject = `Group/${String((await door().ask('POST', '/Groups', { displayName: 'Physicians' })).body['id'])}`;
    at.mood.between = () => at.say({ type: 'staff.said', source: OKTA, subject, group: { kept: { token: 'first', base: 'none', attributes: { displayName: 'Physicians' } } } });
    expect((await at.ask('POST', '/Groups', { displayName: 'physicians' })).body).to.include({ status: '409', scimType: 'uniqueness' });
    expect(await found('/Groups')).to.have.length(1);
  });

  it('makes another group of a name that an earlier one had before it was renamed', async () => {
    const earlier = await group('Physicians');
    await at.ask('PATCH', `/Groups/${earlier}`, patch({ op: 'replace', path: 'displayName', value: 'Surgeons' }));
    expect(await group('Physicians')).to.not.equal(earlier);
    expect(await found('/Groups')).to.have.length(2);
  });

  it('lets one of two groups that have one name from before be changed and renamed', async () => {
    await group('Physicians');
    at.say({ type: 'staff.said', source: OKTA, subject: 'Group/twin', group: { kept: { token: 't', base: 'none', attributes: { displayName: 'Physicians' } } } });
    const change_ = (operation: object): Promise<Answer> => at.ask('PATCH', '/Groups/twin', patch(operation));
    expect((await change_({ op: 'add', path: 'members', value: [{ value: id }] })).status).to.equal(200);
    expect((await change_({ op: 'replace', path: 'displayName', value: 'Twins' })).status).to.equal(200);
  });

  it('lists ten thousand people and a thousand groups in a moment', async () => {
    const said = Array.from({ length: 10_000 }, (_, n): Staff => ({ source: OKTA, subject: `User/u${n}`, person: { identifiers: [], kept: { token: 't', base: 'none', attributes: { userName: `u${n}`, active: 'true' } } }, posts: { [`Group/g${n % 1000}/u${n}`]: { identifiers: [], codes: [], organisation: [], active: true } } } as unknown as Staff));
    const groups = Array.from({ length: 1000 }, (_, n): Staff => (({ source: OKTA, subject: `Group/g${n}`, group: { kept: { token: 't', base: 'none', attributes: { displayName: `g${n}` } } }, posts: {} })));
    for (const staff of [...said, ...groups]) at.states.set(staffId(staff), staff);
    const began = performance.now();
    const [person] = await found('/Users?filter=userName eq "u1234"');
    const [one] = await found('/Groups?filter=displayName eq "g234"');
    await found('/Users');
    await found('/Groups');
    expect(person?.['groups']).to.have.length(1);
    expect(one?.['members']).to.have.length(10);
    // Each person beside each group took half a minute.
    expect(performance.now() - began).to.be.lessThan(5000);
  });

  it('undoes nothing that was said at the same time: what was made from something older is made again', async () => {
    at.mood.between = () => {
      const known = at.states.get(`okta User/${id}`)?.person;
      if (known?.kept) at.say({ type: 'staff.said', source: OKTA, subject: `User/${id}`, person: { ...known, active: false, kept: { token: 'another', base: known.kept.token, attributes: { ...known.kept.attributes, active: 'false' } } } });
    };
    expect((await change({ op: 'replace', path: 'title', value: 'MD' })).body).to.include({ title: 'MD', active: false });
    expect(fed()?.active).to.equal(false);
  });

  it('gives nobody a Matrix id that isn\'t one, or that the configuration doesn\'t say how to make', async () => {
    at = door({ matrixId: undefined });
    await at.ask('POST', '/Users', ada);
    expect([...at.states.values()].map(({ person, why }) => [person?.userId, why])).to.deep.equal([[undefined, 'nobody in the directory has their identifiers: enrol them, or give the source their Matrix id']]);
    at = door({ matrixId: '@{externalId}:mercy.example' });
    await at.ask('POST', '/Users', { ...ada, externalId: 'Has Space' });
    await at.ask('POST', '/Users', { userName: 'without' });
    expect([...at.states.values()].map(({ person }) => person?.userId)).to.deep.equal([undefined, undefined]);
  });

  it('lets nobody in who isn\'t a client of it, and says what it has to whoever is', async () => {
    expect([(await at.ask('GET', '/Users', '', 'wrong')).status, (await at.ask('GET', '/Users', '', 'lab')).body['detail']]).to.deep.equal([401, 'This source may not change the directory by SCIM.']);
    expect(at.events.slice(-2).map(({ code, status }) => [code, status])).to.deep.equal([['unknown-credentials', 401], ['no-scim', 403]]);
    expect((await at.ask('GET', '/ServiceProviderConfig')).body).to.deep.include({ patch: { supported: true }, etag: { supported: false } });
    expect(((await at.ask('GET', '/Schemas')).body['Resources'] as readonly { id: string }[]).map((each) => each.id)).to.include.members([ENTERPRISE, 'urn:ietf:params:scim:schemas:core:2.0:Group']);
    expect([(await at.ask('GET', '/ResourceTypes/User')).status, (await at.ask('GET', `/Schemas/${ENTERPRISE}`)).status, (await at.ask('GET', '/Me')).status, (await at.ask('DELETE', '/Users')).headers['allow'], (await at.ask('GET', '/constructor')).status]).to.deep.equal([200, 200, 404, 'GET, POST', 404]);
  });

  it('lets in no access token whose scopes don\'t name staff', async () => {
    const scoped = (...types: readonly string[]): ReturnType<typeof door> => door({}, { ways: ['issuer'], authenticate: async () => ok({ source: OKTA, way: 'issuer', types }) });
    expect([(await scoped('Practitioner', 'PractitionerRole').ask('GET', '/Users')).status, (await scoped('Practitioner').ask('GET', '/Users')).status, (await scoped().ask('GET', '/Users')).status]).to.deep.equal([200, 403, 403]);
  });

  it('says 503 when it can\'t store it, and 429 when a source asks too much', async () => {
    at.mood.down = true;
    expect([(await at.ask('POST', '/Users', { userName: 'x' })).status, (await at.ask('POST', '/Users', { userName: 'x' })).headers['retry-after']]).to.deep.equal([503, '5']);
    at = door({ requestsPerMinute: 1 });
    expect([(await at.ask('GET', '/Users')).status, (await at.ask('GET', '/Users')).status]).to.deep.equal([200, 429]);
  });
});

