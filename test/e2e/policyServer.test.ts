import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import { agree } from '../support/agree.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospital, type Hospitals, type Slot } from '../support/lab.ts';
import { matrixAnswer, text, type MatrixAnswer } from '../support/matrixHttp.ts';
import { leaveByItself, policyServerFor, type PolicySettings } from '../support/policyServer.ts';
import { isDoorOpen, startPolicyStreams, storedWith } from '../support/policyStreams.ts';
import { asGuardian, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-policy';
const NPI = '1000000091';
const KILL_NPI = ['1000000092', '1000000093'];
const SESSION = 'vJPDk0RGPCvL6S0rCe9ix1yq3mZRnYQ8m4ZyD0cS4hU';

type Checked = { readonly findings: readonly { readonly level: string; readonly what: string; readonly is: string }[]; readonly noted: readonly unknown[] };
type PartnerSeen = { readonly partner: string; readonly seen: Readonly<Record<string, { readonly known: string }>> };
type StateEvent = { readonly type: string; readonly state_key: string; readonly content: Readonly<Record<string, unknown>> };

describe('The policy server, in a results room of two hospitals', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let settings: PolicySettings;
  let aceso: Aceso;
  let ada: Client; // at St. Anne
  let bob: Client; // at Mercy
  let roomId: string;
  let eventId: string; // of the first result
  let sends = 0;

  const own = (name: string): string => `@${slot.prefix}${name}:${hospitals.mercy.serverName}`;
  const room = (rest: string): string => `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/${rest}`;
  const at = (client: Client): Hospital => (client === ada ? hospitals.stAnne : hospitals.mercy);
  const send = (client: Client, type: string, content: unknown): Promise<MatrixAnswer> =>
    matrixAnswer(at(client).baseUrl, room(`send/${type}/policy${(sends += 1)}`), { method: 'PUT', token: client.accessToken, body: content });
  const state = async (): Promise<readonly StateEvent[]> => JSON.parse(text(await asGuardian(hospitals.mercy, slot, room('state').replace('/_matrix/client/v3', '')), 'text')) as readonly StateEvent[];
  const contentOf = async (type: string, key = ''): Promise<StateEvent['content'] | undefined> => (await state()).find((event) => event.type === type && event.state_key === key)?.content;
  const everything = async (client: Client): Promise<string> => JSON.stringify((await matrixAnswer(at(client).baseUrl, room('messages?dir=b&limit=200'), { token: client.accessToken })).body);
  const inForce = (): Promise<true> => until('the policy server to be in force', async () => (await contentOf('m.room.member', `@policy:${settings.server_name}`))?.['membership'] === 'join' && (await contentOf('m.room.policy'))?.['via'] === settings.server_name, 15_000);

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    settings = await policyServerFor(hospitals);
    const people = [
      { id: 'ada', name: 'Dr. Ada', user_id: await stAnne.register('policy_ada', PASSWORD) },
      { id: 'bob', name: 'Dr. Bob', user_id: await mercy.register('policy_bob', PASSWORD) },
    ];
    aceso = await newAceso({
      mercy, slot, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], people, policyServer: settings,
      teams: [NPI, ...KILL_NPI].map((value, index) => ({ id: `icu${index}`, name: 'ICU', members: people.map(({ user_id: user }) => user), identifiers: [{ system: 'http://hl7.org/fhir/sid/us-npi', value }] })),
    });
    [ada, bob] = await Promise.all([startJsClient({ baseUrl: stAnne.baseUrl, user: 'policy_ada', password: PASSWORD }), startJsClient({ baseUrl: mercy.baseUrl, user: 'policy_bob', password: PASSWORD })]);
    await aceso.start();
    await tell(aceso, 'P-1', NPI);
    ({ roomId, eventId } = await sees(ada, 'P-1'));
    await sees(bob, 'P-1');
  });
  after(async () => {
    await Promise.all([ada.stop(), bob.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('is a member, is named with its key, and is let in by the access list', async () => {
    await inForce();
    expect(await contentOf('m.room.policy')).to.have.nested.property('public_keys.ed25519').that.matches(/^[A-Za-z0-9+/]{43}$/u);
    expect((await contentOf('m.room.server_acl'))?.['allow']).to.include(settings.server_name);
  });

  it('has clear text refused by the sender\'s own server, at either hospital, and nobody sees it', async () => {
    for (const client of [ada, bob]) {
      const { status, body } = await send(client, 'm.room.message', { msgtype: 'm.text', body: `K 6.8 in clear ${client.userId}` });
      expect([status, body['errcode'], body['org.aceso.rule']], JSON.stringify(body)).to.deep.equal([403, 'M_FORBIDDEN', 'clear-text']);
      expect(body['error']).to.match(/takes encrypted messages only.*Element/u);
    }
    for (const client of [ada, bob]) expect(await everything(client)).not.to.include('in clear');
  });

  it('notes that the partner\'s homeserver asks before its people send, as a fact with source and date', async () => {
    // Of what it gets it asks only when nobody has signed it, which nothing but the trial below is sure to make happen.
    const seen = await until('it to be noted', async () => (await aceso.cli<readonly PartnerSeen[]>('partner', 'list')).find(({ seen: { 'asks-before-sending': sends } }) => sends?.known === 'yes'), 20_000);
    expect(seen.partner).to.equal(hospitals.stAnne.serverName);
    expect(seen.seen['asks-before-sending']).to.include({ source: 'traffic' }).and.to.have.property('at').that.matches(/^20\d\d-/u);
  });

  it('shows, when it is tried, that the partner\'s homeserver asks, gives keys and applies redactions', async () => {
    const { findings, noted } = await aceso.cli<Checked>('partner', 'check', hospitals.stAnne.serverName, '--as', ada.userId, '--wait', '30');
    expect(findings.filter(({ level }) => level !== 'ok'), JSON.stringify(findings)).to.deep.equal([]);
    expect(findings.find(({ what }) => what === 'homeserver')?.is).to.match(/^Synapse 1\./u);
    expect(noted).to.deep.equal(['asks-about-received', 'applies-redactions', 'serves-keys'].map((trait) => ({ trait, honoured: 'yes' })));
    const [listed] = await until('it to be a fact', async () => {
      const list = await aceso.cli<readonly PartnerSeen[]>('partner', 'list');
      return list[0]?.seen['applies-redactions']?.known === 'yes' && list[0].seen['serves-keys']?.known === 'yes' ? list : undefined;
    }, 20_000);
    expect(listed).to.deep.include({ honours: { policyServer: true, encryption: true, redaction: true } });
    expect(listed?.seen['applies-redactions']).to.include({ source: 'check' }).and.to.have.property('by');
  });

  it('lets encrypted messages, listed reactions and removals of one\'s own messages pass', async () => {
    const sent = await ada.send(roomId, { msgtype: 'm.text', body: 'on my way' });
    const message = await bob.waitForMessage(({ eventId: id }) => id === sent);
    expect(message).to.include({ wasEncrypted: true });
    const thumb = await bob.react(roomId, sent, '👍');
    await ada.waitForMessage(({ eventId: id }) => id === thumb);
    const redacted = await matrixAnswer(at(ada).baseUrl, room(`redact/${encodeURIComponent(sent)}/own`), { method: 'PUT', token: ada.accessToken, body: {} });
    expect(redacted.status, JSON.stringify(redacted.body)).to.equal(200);
  });

  it('has a clear text disguised as encrypted refused', async () => {
    for (const client of [ada, bob]) expect(await refusedBy(send(client, 'm.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'UGF0aWVudCBoYXMgSyA2Ljg', session_id: SESSION, device_id: 'X' }))).to.equal('403 disguised');
  });

  it('has a reaction that says something refused', async () => {
    for (const client of [ada, bob]) expect(await refusedBy(send(client, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key: 'K 6.8' } }))).to.equal('403 reaction-key');
  });

  it('has the removal of a message with a reason refused', async () => {
    const sent = await bob.send(roomId, { msgtype: 'm.text', body: 'stays' });
    expect(await refusedBy(matrixAnswer(at(bob).baseUrl, room(`redact/${encodeURIComponent(sent)}/reason`), { method: 'PUT', token: bob.accessToken, body: { reason: 'K 6.8' } }))).to.equal('403 reason');
  });

  it('counts what it refuses, and keeps nothing of its content', async () => {
    const metrics = await (await fetch(`${aceso.operationsUrl}/metrics`)).text();
    expect(metrics).to.match(/aceso_policy_signs_total\{answer="refused",rule="clear-text"\} [1-9]/u).and.to.match(/aceso_policy_seconds_count [1-9]/u);
    expect(aceso.log()).to.include('policy.refused').and.not.to.include('in clear');
  });

  for (const [edge, open] of [
    ['its user is removed', () => asGuardianSend('POST', 'kick', { user_id: `@policy:${settings.server_name}` })],
    ['its user leaves by itself', () => leaveByItself(aceso, hospitals, settings, roomId)],
    ['its user is banned', () => asGuardianSend('POST', 'ban', { user_id: `@policy:${settings.server_name}` })],
    ['the room names another policy server', () => asGuardianSend('PUT', 'state/m.room.policy/', { via: hospitals.stAnne.serverName, public_keys: { ed25519: 'x' } })],
    ['the room names none', () => asGuardianSend('PUT', 'state/m.room.policy/', {})],
    ['the room doesn\'t admit its server', () => asGuardianSend('PUT', 'state/m.room.server_acl/', { allow: [hospitals.mercy.serverName, hospitals.stAnne.serverName].flatMap((name) => [name, name.replace(/:\d+$/u, '')]), deny: [], allow_ip_literals: false })],
    ['a member gets power', () => asGuardianSend('PUT', 'state/m.room.power_levels/', { users: { [ada.userId]: 100 }, events: { 'm.room.encrypted': 0 }, state_default: 100, kick: 100, ban: 100, invite: 100, redact: 100 })],
  ] as const) {
    it(`is back within 10 seconds when ${edge}, and the alarm is raised`, async () => {
      const before = await edges();
      const { status, body } = await open();
      expect(status, JSON.stringify(body)).to.equal(200);
      await until('the alarm', async () => (await edges()) > before, 10_000);
      await until('the repair', async () => (await contentOf('m.room.member', `@policy:${settings.server_name}`))?.['membership'] === 'join' && (await contentOf('m.room.policy'))?.['via'] === settings.server_name && JSON.stringify((await contentOf('m.room.power_levels'))?.['users']) === '{}', 10_000);
      await until('its server to be admitted', async () => ((await contentOf('m.room.server_acl'))?.['allow'] as readonly string[]).includes(settings.server_name), 10_000);
      await until('clear text to be refused again at both', async () => {
        for (const client of [ada, bob]) if ((await send(client, 'm.room.message', { msgtype: 'm.text', body: 'K 6.8 in clear' })).status !== 403) return false;
        return true;
      }, 10_000);
    });
  }

  it('has what came in clear meanwhile taken out within 10 seconds, and the alarm raised: some server hadn\'t asked it', async () => {
    const unasked = async (): Promise<number> => Number(/^aceso_policy_edges_total\{edge="unasked"\} (\d+)/mu.exec(await (await fetch(`${aceso.operationsUrl}/metrics`)).text())?.[1] ?? 0);
    const before = await unasked();
    await asGuardianSend('PUT', 'state/m.room.policy/', {});
    const { status, body } = await send(bob, 'm.room.message', { msgtype: 'm.text', body: 'K 6.8 passed meanwhile' });
    expect(status, `the room is open: ${JSON.stringify(body)}`).to.equal(200);
    await until('the alarm', async () => (await unasked()) > before, 10_000);
    await until('nobody to see it any more', async () => !(await everything(ada)).includes('passed meanwhile') && !(await everything(bob)).includes('passed meanwhile'), 10_000);
    await inForce();
  });

  it('enforces what both hospitals ask once they have agreed on it, and says whose rule refuses', async () => {
    const partner = await newAceso({ mercy: hospitals.stAnne, slot: hospitals.takeSlot(), partners: [] });
    const template = join(partner.folder, 'templates', 'results.yaml');
    writeFileSync(template, readFileSync(template, 'utf8').replace(/^reactions:.*$/mu, 'reactions: [✅, 🦄]').replace('removals: own', 'removals: never'));
    await agree(aceso, { cli: partner.cli, serverName: hospitals.stAnne.serverName }, 'rooms');
    partner.remove();
    const react = (client: Client, key: string, to = eventId): Promise<MatrixAnswer> => send(client, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: to, key } });
    // A homeserver takes the same reaction to the same message once.
    const sent = await until('the agreement to count', async () => { const message = await bob.send(roomId, { msgtype: 'm.text', body: 'stays' }); return (await react(bob, '👎', message)).body['org.aceso.rule_of'] === hospitals.stAnne.serverName ? message : undefined; });
    for (const client of [ada, bob]) {
      expect(await refusedBy(react(client, '👍')), 'St. Anne doesn\'t list it').to.equal('403 reaction-key');
      expect(await refusedBy(react(client, '🦄')), 'Mercy doesn\'t list it').to.equal('403 reaction-key');
      expect((await react(client, '✅')).status, 'both do').to.equal(200);
    }
    const { status, body } = await matrixAnswer(at(bob).baseUrl, room(`redact/${encodeURIComponent(sent)}/never`), { method: 'PUT', token: bob.accessToken, body: {} });
    expect([status, body['org.aceso.rule'], body['org.aceso.rule_of']]).to.deep.equal([403, 'removal-never', hospitals.stAnne.serverName]);
    expect(body['error']).to.include(`By the rules of ${hospitals.stAnne.serverName}`);
  });

  it('keeps everybody from sending after a kill -9, and lets them go on within 5 seconds once it is back: each message that was refused passes under its own transaction id, once, and nothing forbidden ever', async () => {
    const streams = startPolicyStreams(roomId, [ada, bob].map((client) => ({ baseUrl: at(client).baseUrl, userId: client.userId, accessToken: client.accessToken })));
    await until('both to send', () => streams.flowsSince(0) && streams.forbidden.length > 10);
    await aceso.kill();
    const killedAt = Date.now();
    const isKept = ({ userId }: Client): boolean => [streams.delayed, streams.forbidden].every((tries) => tries.some((each) => each.userId === userId && each.at > killedAt && each.status !== 200));
    await until('both to be kept from sending', () => isKept(ada) && isKept(bob));
    await aceso.launch();
    await until('the door to open', () => isDoorOpen(settings.port, hospitals.tls.caFile), 60_000, 20);
    const backAt = Date.now();
    await until('both to go on', () => streams.flowsSince(backAt), 5000, 20);
    expect(await streams.stop(), 'given up').to.equal(0);
    const { passed, forbidden, marker } = streams;
    expect(passed.some(({ refused }) => refused > 0), 'some were refused before they passed').to.equal(true);
    await until('each to be at both hospitals', async () => (await Promise.all([ada, bob].map(everything))).every((all) => passed.every(({ eventId: id }) => all.includes(id))));
    expect(new Set(passed.map(({ eventId: id }) => id)).size, 'events').to.equal(passed.length);
    expect(forbidden.filter(({ status }) => status === 200), 'forbidden ones that passed').to.deep.equal([]);
    expect([hospitals.mercy, hospitals.stAnne].map((hospital) => storedWith(hospital, marker)), 'on the disks').to.deep.equal([0, 0]);
    const sent = await ada.send(roomId, { msgtype: 'm.text', body: 'again' });
    await bob.waitForMessage(({ eventId: id }) => id === sent);
    await tell(aceso, 'P-2', NPI);
    await sees(ada, 'P-2');
  });

  const refusedBy = async (answer: Promise<MatrixAnswer>): Promise<string> => { const { status, body } = await answer; return `${status} ${typeof body['org.aceso.rule'] === 'string' ? body['org.aceso.rule'] : JSON.stringify(body)}`; };

  for (const [index, step] of ['room.entered', 'room.protected'].entries()) {
    it(`is in force in a new room before anybody is invited, also when Aceso is killed at ${step}`, async () => {
      await aceso.stop();
      await aceso.start({ ACESO_TEST_KILL_AT: step });
      await tell(aceso, `P-kill-${index}`, KILL_NPI[index] ?? '').catch(() => undefined);
      await until(`Aceso to be killed at ${step}`, () => aceso.ended(), 60_000);
      expect(aceso.ended()).to.equal('SIGKILL');
      await aceso.start();
      const message = await sees(ada, `P-kill-${index}`, 60_000);
      const { status, body } = await matrixAnswer(at(ada).baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(message.roomId)}/send/m.room.message/kill`, { method: 'PUT', token: ada.accessToken, body: { msgtype: 'm.text', body: 'K 6.8 in clear' } });
      expect([status, body['org.aceso.rule']]).to.deep.equal([403, 'clear-text']);
      const order = (await timeline(message.roomId)).filter(({ type, state_key: key }) => type === 'm.room.policy' || (type === 'm.room.member' && key === ada.userId));
      expect(order[0]?.type).to.equal('m.room.policy');
    });
  }

  async function timeline(of: string): Promise<readonly StateEvent[]> {
    const { chunk } = await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(of)}/messages?dir=f&limit=100`);
    return chunk as readonly StateEvent[];
  }

  async function edges(): Promise<number> {
    const metrics = await (await fetch(`${aceso.operationsUrl}/metrics`)).text();
    return [...metrics.matchAll(/^aceso_policy_edges_total\{.*\} (\d+)/gmu)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  function asGuardianSend(method: 'PUT' | 'POST', rest: string, body: unknown): Promise<MatrixAnswer> {
    return matrixAnswer(hospitals.mercy.baseUrl, `${room(rest)}?user_id=${encodeURIComponent(own('guardian'))}`, { method, token: slot.asToken, body });
  }
});
