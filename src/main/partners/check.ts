import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { PartnerTrial } from '../../adapters/federation/tryPartner.ts';
import type { Trait } from '../../domain/agreements/conduct.ts';
import type { Register } from '../../domain/agreements/register.ts';
import type { RoomId, UserId } from '../../domain/brand.ts';
import { serverOf } from '../../domain/people/party.ts';
import { protect } from '../../loop/protecting.ts';
import { broken, fine, warn, type Finding } from '../doctor/finding.ts';
import { probeRoom, PROBED, standingOf } from './probeRoom.ts';
import type { Tools } from './tools.ts';

export type CheckOptions = {
  /** An account at the partner that is for this alone. */
  readonly account: string | undefined;
  /** How long people are waited for: to accept the invitation, to write a word. */
  readonly waitMs: number;
  /** How long what is sent may take to get there, or to be taken out there. */
  readonly arrivesMs: number;
  /** Whom it waits for, for who watches. */
  readonly tell: (text: string) => void;
};

/** What was tried, and what it showed; `shown` becomes facts. */
export type Checked = { readonly findings: readonly Finding[]; readonly shown: readonly { readonly trait: Trait; readonly honoured: 'yes' | 'no' }[] };

const LOOK_MS = 500;
const ROOM = 'probe room';

/** Tries whether a partner's homeserver does what rooms rely on, in a room without anything to protect: as far as that can be seen from outside. */
export async function checkServer(tools: Tools, options: CheckOptions): Promise<Checked> {
  const { trial, partner } = tools;
  const [version, keys] = [await trial.version(), await trial.keys()];
  const findings: Finding[] = [
    version.ok ? fine('homeserver', version.value) : broken('homeserver', version.error.message, 'Nothing is delivered there. Ask its administrators.'),
    keys.ok ? fine('its keys', 'its own, and valid') : broken('its keys', keys.error.message, 'Nothing that it signs can be verified. Ask its administrators.'),
  ];
  if (!version.ok || !keys.ok) return { findings, shown: [] };
  const ready = await readiness(tools, options.account);
  if ('level' in ready) return { findings: [...findings, ready], shown: [] };
  const entered = await enter(tools, ready.account, options);
  if ('level' in entered) return { findings: [...findings, entered], shown: [] };
  const { roomId } = entered;
  findings.push(fine(ROOM, `${roomId}: ${ready.account} is in it, in room version ${tools.roomVersion}`));
  const results = [await received(tools, roomId, options), await redaction(tools, roomId, options), await encryption(trial, ready.account), await sending(tools, ready.account, options)];
  return { findings: [...findings, ...results.map(({ finding }) => finding), ...(tools.roomVersion === '12' ? [] : [warn('room version', `${tools.roomVersion}, as partners[].room_version says of ${partner}`, 'Version 12 closes holes of the ones before: ask them to update.')])], shown: results.flatMap(({ shown }) => shown) };
}

async function readiness({ policy, isAgreed, reachesPolicy, partner }: Tools, account: string | undefined): Promise<{ readonly account: UserId } | Finding> {
  if (!policy) return warn('policy server', 'none is configured: nothing more can be tried', 'docs/policy-server.md');
  if (!isAgreed) return warn('agreement', 'none is in force: the policy server answers no strangers, so nothing more can be tried', '`aceso agreements`; a rule keeps their people out until this was tried (docs/agreements.md).');
  const reached = await reachesPolicy();
  if (reached !== undefined) return broken('policy server', reached, 'Start Aceso: the partner asks it in this.');
  if (account === undefined) return warn('probe account', 'none was named: what it does in a room wasn\'t tried', `Have them make an account that is for this alone, and log in to it with a client that encrypts: aceso partner check ${partner} --as @aceso-probe:${partner}`);
  if (!/^@[^:\s]+:\S+$/u.test(account) || serverOf(account as UserId) !== partner) throw new Error(`${account} is no account of ${partner}: --as @name:${partner}.`);
  return { account: account as UserId };
}

/** The room of this partner, made once and kept for the next time. */
async function enter(tools: Tools, account: UserId, { waitMs, tell }: CheckOptions): Promise<{ readonly roomId: RoomId } | Finding> {
  const { homeserver, policy, partner } = tools;
  const created = await homeserver.createRoom(probeRoom(tools));
  if (!created.ok) return broken(ROOM, created.error.message, 'See `aceso doctor`.');
  const roomId = created.value;
  const guarded = policy && await protect(homeserver, policy, 'probe', roomId);
  if (guarded?.ok === false) return broken(ROOM, guarded.error.message, 'See `aceso doctor`.');
  const invited = await homeserver.invite(roomId, account);
  if (!invited.ok) return broken(ROOM, `${account} can't be invited: ${invited.error.message}`, `Does the account exist, and can ${partner} join rooms of version ${tools.roomVersion}? If not: partners[].room_version.`);
  const membership = async (): Promise<string | undefined> => { const state = await homeserver.state(roomId); return state.ok ? String(state.value.find(({ type, stateKey }) => type === 'm.room.member' && stateKey === account)?.content['membership']) : undefined; };
  if (await membership() !== 'join') tell(`Waiting for ${account} to accept the invitation to "Aceso probe".`);
  const joined = await until(waitMs, async () => (await membership() === 'join' ? true : undefined));
  return joined ? { roomId } : warn(ROOM, `${account} has not accepted the invitation`, 'Accept it with that account, and run this again. If its homeserver can\'t join, it doesn\'t know this version of room.');
}

type Result = { readonly finding: Finding; readonly shown: Checked['shown'] };
const result = (finding: Finding, trait?: Trait): Result => ({ finding, shown: trait === undefined ? [] : [{ trait, honoured: finding.level === 'ok' ? 'yes' : 'no' }] });

/** An event that nobody signed is sent to it, and to nobody else: whoever asks about it, checks. */
async function received(tools: Tools, roomId: RoomId, { arrivesMs }: CheckOptions): Promise<Result> {
  const what = 'asks about what it gets';
  const send = async (): ReturnType<PartnerTrial['sendUnsigned']> => tools.trial.sendUnsigned(roomId, await standingOf(tools, roomId));
  const sent = await until(arrivesMs, async () => { const each = await send(); return each.ok || !each.error.retry ? each : undefined; }) ?? await send();
  if (!sent.ok) return result(warn(what, sent.error.message, 'Not seen: try again.'));
  const asked = await until(arrivesMs, async () => ((await registerOf(tools))?.conduct?.['asks-about-received']?.event === sent.value ? true : undefined));
  if (asked) return result(fine(what, 'yes: it was sent an event that must be refused, and asked the policy server'), 'asks-about-received');
  const taken = await tools.trial.event(sent.value);
  return taken.ok && taken.value ? result(broken(what, 'NO: it took an event that the policy server never saw', 'Its people are shown what others refuse. Call its administrators (Synapse asks from 1.163 on).'), 'asks-about-received')
    : result(warn(what, 'not seen: the event didn\'t get there, or the server of Aceso doesn\'t run', 'Is `aceso start` running? Try again.'));
}

/** State of the guardian's, which it hands out, and must hand out empty once it is redacted. */
async function redaction({ homeserver, source, trial }: Tools, roomId: RoomId, { arrivesMs }: CheckOptions): Promise<Result> {
  const what = 'applies redactions';
  const marker = randomBytes(16).toString('hex');
  const set = await homeserver.setState(roomId, { type: PROBED, stateKey: '', content: { marker } });
  const state = set.ok ? await source.state(roomId) : set;
  if (!state.ok) return result(warn(what, state.error.message, 'Not seen: try again.'));
  const eventId = state.value.find(({ type, content }) => type === PROBED && content['marker'] === marker)?.event_id;
  const given = async (): Promise<unknown> => { const event = eventId === undefined ? undefined : await trial.event(eventId); return event?.ok ? (event.value?.['content'] as { readonly marker?: unknown } | undefined)?.marker : undefined; };
  if (eventId === undefined || !await until(arrivesMs, async () => ((await given()) === marker ? true : undefined))) return result(warn(what, 'not seen: it doesn\'t give out events of the room', 'Try again; if it stays so, its federation is behind.'));
  const redacted = await homeserver.redact(roomId, eventId, `probe${marker}`, '');
  if (!redacted.ok) return result(warn(what, redacted.error.message, 'Not seen: try again.'));
  const gone = await until(arrivesMs, async () => { const event = await trial.event(eventId); return event.ok && (event.value?.['content'] as { readonly marker?: unknown } | undefined)?.marker !== marker ? true : undefined; });
  return result(gone ? fine(what, 'yes: it gives the event out without its content') : broken(what, 'NO: it still gives out the content of an event that was redacted', 'What is taken out here stays there. Call its administrators.'), 'applies-redactions');
}

async function encryption(trial: Pick<PartnerTrial, 'devices'>, account: UserId): Promise<Result> {
  const what = 'gives device keys';
  const devices = await trial.devices(account);
  if (!devices.ok) return result(broken(what, `NO: ${devices.error.message}`, 'Nothing can be encrypted for its people. Call its administrators.'), 'serves-keys');
  const { all, usable } = devices.value;
  if (all === 0) return result(warn(what, `not seen: ${account} has no device`, 'Log in to it with a client that encrypts, for example Element, and run this again.'));
  return result(usable > 0 ? fine(what, `yes: of ${usable} of ${all} device(s)`) : broken(what, `NO: none of ${all} device(s)`, 'Nothing can be encrypted for its people. Call its administrators.'), 'serves-keys');
}

/** Only who can log in there makes it send: what the policy server saw before counts too. */
async function sending(tools: Tools, account: UserId, { waitMs, tell }: CheckOptions): Promise<Result> {
  const what = 'asks before it sends';
  const seen = async (): Promise<'yes' | 'no' | undefined> => { const last = (await registerOf(tools))?.conduct?.['asks-before-sending']; return last && last.at > tools.now() - WEEK_MS ? last.honoured : undefined; };
  if (await seen() === undefined) tell(`Waiting for ${account} to write a word into "Aceso probe": it must be refused.`);
  switch (await until(waitMs, seen)) {
    case 'yes': return { finding: fine(what, 'yes, as the policy server saw'), shown: [] };
    case 'no': return { finding: broken(what, 'NO: events of its people came that it never asked about', 'Call its administrators (Synapse asks from 1.163 on).'), shown: [] };
    default: return result(warn(what, 'not seen: nobody wrote', `Write a word into "Aceso probe" with ${account}: it must be refused. Then run this again.`));
  }
}

const WEEK_MS = 7 * 86_400_000;

const registerOf = async ({ store, partner }: Tools): Promise<Register | undefined> => (await store.load({ kind: 'agreement', id: partner }))?.state as Register | undefined;

async function until<T>(withinMs: number, look: () => Promise<T | undefined>): Promise<T | undefined> {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined || performance.now() > end) return found;
    await pause(LOOK_MS);
  }
}

