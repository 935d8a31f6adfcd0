import { expect } from 'chai';
import { signerOf } from '../../src/adapters/federation/ed25519.ts';
import { eventIdOf, isRoomVersion, signableBytes, signedEvent } from '../../src/adapters/federation/event.ts';
import { outboxTo } from '../federation/outbox.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import { agree } from '../support/agree.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { asGuardian, auditOf, heldList, membershipOf, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-agreements';
const NPI = { ada: '1000000061', bob: '1000000062' } as const;
const soon = (): string => new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10);
type StateEvent = { readonly event_id: string; readonly type: string; readonly state_key: string; readonly content: Readonly<Record<string, unknown>> };
const TURNS: ReadonlySet<string> = new Set(['agreement.added', 'agreement.revoked', 'room.ending', 'member.removing', 'member.removed']);

/** Two hospitals, each with an Aceso of its own to sign by; results go from Mercy to St. Anne. */
describe('An agreement between two hospitals', function () {
  this.timeout(240_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let mercy: Aceso;
  let stAnne: Aceso; // its command line: it signs
  let ada: Client;
  let roomId: string;
  let sent: string;
  let first: string; // its delivery
  let authorised: readonly StateEvent[]; // the room as it was while she was in it

  const command = (aceso: Aceso, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> => aceso.cli('agreements', ...args);
  const homeserverSays = async (): Promise<unknown> => (await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(ada.userId)}`))['membership'];

  const agreed = (name: string, last?: string): Promise<string> => agree(mercy, { cli: stAnne.cli, serverName: hospitals.stAnne.serverName }, name, last);

  const roomState = async (): Promise<readonly StateEvent[]> => JSON.parse(String((await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(roomId)}/state`))['text'])) as readonly StateEvent[];

  /** A reaction of hers that her server puts where she was still in the room, and hands over now: it fits there, and not the room as it is. */
  async function reactAsIfSheWereStillIn(): Promise<string> {
    const { mercy: { serverName: target }, stAnne: { serverName: origin, dataDir }, tls } = hospitals;
    const [, version = '', seed = ''] = readFileSync(`${dataDir}/signing.key`, 'utf8').trim().split(' ');
    const [keyId, signer] = [`ed25519:${version}`, signerOf(Buffer.from(seed, 'base64'))];
    const of = authorised.find(({ type }) => type === 'm.room.create')?.content['room_version'];
    if (!isRoomVersion(of)) throw new Error(`a room of version ${String(of)}`);
    const needed = (each: StateEvent): boolean => each.type === 'm.room.power_levels' || (each.type === 'm.room.create' && of !== '12') || (each.type === 'm.room.member' && each.state_key === ada.userId);
    const pdu = signedEvent(of, {
      type: 'm.reaction', sender: ada.userId, room_id: roomId, content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: sent, key: '✅' } }, origin_server_ts: Date.now(), depth: 100, prev_events: [sent],
      auth_events: authorised.filter(needed).map(({ event_id: id }) => id),
    }, origin, keyId, signer);
    const outbox = outboxTo({ target, origin, keyId, signer, ca: readFileSync(tls.caFile) });
    await outbox.send(pdu).finally(() => outbox.close());
    return eventIdOf(signableBytes(of, pdu));
  }

  before(async () => {
    hospitals = await sharedHospitals();
    slot = hospitals.takeSlot();
    const at = async (id: keyof typeof NPI, hospital: Hospitals['mercy']): Promise<Person> => ({ id, name: `Dr. ${id}`, user_id: await hospital.register(`agreed_${id}`, PASSWORD), npi: NPI[id] });
    const people = [await at('ada', hospitals.stAnne), await at('bob', hospitals.mercy)];
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'agreed_ada', password: PASSWORD });
    mercy = await newAceso({ mercy: hospitals.mercy, slot, partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], people });
    stAnne = await newAceso({ mercy: hospitals.stAnne, slot: hospitals.takeSlot(), partners: [] });
    writeFileSync(mercy.configFile, stringify({ ...(parse(readFileSync(mercy.configFile, 'utf8')) as object), agreements: { required: true } }));
    await mercy.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), mercy.stop()]);
    mercy.remove();
    stAnne.remove();
  });

  it('that isn\'t there keeps a result back, owned by somebody; once both have signed, it is delivered by itself', async () => {
    await tell(mercy, 'AGREED-1', NPI.ada);
    const held = await mercy.delivery('no agreement', (each) => each.held?.code === 'no-agreement');
    expect(held.held?.owner).to.not.equal('');
    await agreed('first', soon());
    ({ roomId, eventId: sent } = await sees(ada, 'AGREED-1', 60_000));
    authorised = await roomState();
    ({ id: first } = await mercy.delivery('sent and seen in the room', ({ phase, held: hold }) => phase === 'sent' && hold === undefined));
    expect((await mercy.cli<readonly { readonly status: string }[]>('agreements', 'list')).map(({ status }) => status), 'it ends soon, and somebody must hear of it').to.deep.equal(['expiring']);
    await until('the problem to be shown', async () => JSON.stringify(await (await fetch(`${mercy.operationsUrl}/readyz`)).json()).includes('expiring'), 60_000);
  });

  it('that is revoked lets nothing new out, and leaves the recipient in the room until the open critical result is closed; then their membership ends within a minute', async () => {
    const [{ agreement } = { agreement: '' }] = await mercy.cli<readonly { readonly agreement: string }[]>('agreements', 'list');
    await command(mercy, 'revoke', agreement, '--reason', 'terminated');
    const critical = await mercy.delivery('the open critical result, for somebody to call', (each) => each.held?.code === 'agreement-ended');
    await tell(mercy, 'AGREED-2', NPI.ada);
    await mercy.delivery('the new result, held', (each) => each.id !== critical.id && each.held?.code === 'no-agreement');
    expect(await homeserverSays(), 'while a critical result is open').to.equal('join');
    const closedAt = Date.now();
    await mercy.cli('held', 'assign', critical.id, 'bob');
    await until('her membership to end', async () => (await homeserverSays()) === 'leave', 60_000);
    expect(Date.now() - closedAt).to.be.lessThan(60_000);
    await until('Aceso to know it', async () => (await membershipOf(mercy, 'ada', ada.userId)) === 'left');
    const other = await mercy.delivery('the result, for its new owner', ({ party, critical: isCritical }) => party === 'bob' && isCritical);
    expect(other.supersedes).to.equal(critical.id);
    expect((await heldList(mercy)).map(({ held }) => held?.code), 'only what came after the end').to.include('no-agreement');
  });

  it('that is over makes an answer count no more that her server puts where she was still in the room: the homeserver pushes it, and shows it to nobody', async () => {
    const eventId = await reactAsIfSheWereStillIn();
    const ignored = await until('it to be ignored', () => auditOf(mercy).find(({ action, detail }) => action === 'event.not-shown' && detail['event'] === eventId), 60_000);
    expect(ignored.detail).to.include({ sender: ada.userId, said: 'room.reaction' });
    expect((await mercy.delivery('the critical result', ({ id }) => id === first)).phase).to.equal('sent');
    expect(await (await fetch(`${mercy.operationsUrl}/metrics`)).text()).to.include('aceso_events_not_shown_total{type="room.reaction"} 1');
  });

  it('that follows brings the recipient back, and what was held to them', async () => {
    await agreed('second');
    await sees(ada, 'AGREED-2', 90_000);
    expect(await homeserverSays()).to.equal('join');
    expect(ada.undecryptable).to.deep.equal([]);
  });

  it('that is revoked ends memberships also when Aceso is killed just as they ended', async () => {
    const [{ agreement } = { agreement: '' }] = (await mercy.cli<readonly { readonly agreement: string; readonly status: string }[]>('agreements', 'list')).filter(({ status }) => status === 'in-force');
    await mercy.stop();
    await mercy.start({ ACESO_TEST_KILL_AT: 'member.removed' });
    await command(mercy, 'revoke', agreement, '--reason', 'terminated');
    const critical = await mercy.delivery('the open critical result', (each) => each.held?.code === 'agreement-ended');
    await mercy.cli('held', 'close', critical.id);
    await until('it to be killed', async () => mercy.ended() === 'SIGKILL');
    expect(await homeserverSays()).to.equal('leave');
    await mercy.start();
    await until('Aceso to know it', async () => (await membershipOf(mercy, 'ada', ada.userId)) === 'left');
    await until('the removal to be written down', async () => auditOf(mercy).filter(({ action }) => action === 'member.removed').length === 2);
  });

  it('leaves in the audit what was decided at each turn, by which rules of which revision', async () => {
    const [{ revision } = { revision: '' }] = await mercy.cli<readonly { readonly revision: string }[]>('policy', 'history');
    const turns = auditOf(mercy).flatMap(({ action, detail }) => (TURNS.has(action) ? [{ action, ...detail }] : action.startsWith('rules.') && detail['user'] === ada.userId ? [{ action, rules: detail['rules'], revision: detail['revision'] }] : []));
    expect(turns.flatMap((turn) => ('revision' in turn ? [turn.revision] : [])).every((each) => each === revision), JSON.stringify(turns)).to.equal(true);
    const said = turns.map((turn) => (turn.action === 'rules.refused' && 'rules' in turn ? `${turn.action} ${String(turn.rules)}` : turn.action)).filter((each, index, all) => each !== all[index - 1]);
    // Refused without one, in under it, out when it ended, and in again.
    for (const [earlier, later] of [['rules.refused no-agreement-no-entry', 'agreement.added'], ['agreement.added', 'rules.allowed'], ['rules.allowed', 'agreement.revoked'], ['agreement.revoked', 'room.ending'], ['room.ending', 'member.removed']] as const) {
      expect(said.indexOf(earlier), `${earlier} in ${said.join(', ')}`).to.be.greaterThan(-1);
      expect(said.lastIndexOf(later), `${earlier}, then ${later}: ${said.join(', ')}`).to.be.greaterThan(said.indexOf(earlier));
    }
    expect(said.slice(said.indexOf('agreement.revoked'))).to.include.members(['rules.refused no-agreement-no-entry', 'member.removed', 'agreement.added']);
  });
});
