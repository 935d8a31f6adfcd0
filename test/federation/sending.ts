/** Sends what is allowed, as honest clients and servers do: again, where it couldn't be checked or taken just then. Whatever went wrong on the way is counted. */
import { PASSING_REFUSALS } from '../../src/domain/policy/admissionRules.ts';
import { UNANSWERED, type Forge, type Forged, type Place, type Room } from './forge.ts';
import type { Way } from './forbidden.ts';
import type { Ledger } from './ledger.ts';
import { isPassing, newTransaction, reasonOf, sendAs, type Person, type Sendable } from './person.ts';
import type { Play } from './play.ts';

type Sending = Pick<Play, 'ledger' | 'seed' | 'forge'>;

/** A refusal of the moment: clients send again. */
const PASSING = 'M_LIMIT_EXCEEDED';
const AGAIN_MS = 2000;
/** A minute: on a full machine much is too slow for a moment. */
const TRIES = 30;

type AllowedSend = { readonly name: string; readonly way: Way; readonly room: Room; readonly number: number; readonly sender: Person; readonly beside?: string };

/** By a client, as clients do it: what can't be checked just then is sent again. */
export async function sendAllowed(all: Sending, { name, way, room, number, sender, beside }: AllowedSend, event: Sendable): Promise<string | undefined> {
  const { ledger, seed } = all;
  const sentAt = Date.now();
  const transaction = newTransaction();
  for (let tries = 1; ; tries += 1) {
    const { status, body } = await sendAs(sender, room.roomId, event, transaction);
    if (isPassing(status) && body['errcode'] !== PASSING) noteAnswer(all, sender, status, body);
    if ((body['errcode'] === PASSING || isPassing(status)) && tries < TRIES) {
      ledger.again += 1;
      await pause(AGAIN_MS);
      continue;
    }
    const eventId = status === 200 ? String(body['event_id']) : undefined;
    ledger.note({ number, kind: name, way, allowed: true, roomId: room.roomId, marker: `FED-${seed}-${number}`, sentAt, status, ...(beside === undefined ? {} : { beside }), ...(eventId === undefined ? { refused: `${reasonOf(body)} ${String(body['error'])}` } : { eventId }) });
    return eventId;
  }
}

type ForgedSend = { readonly name: string; readonly room: Room; readonly number: number; /** Whether the policy server's signature is got before, or each hospital is left to ask. */ readonly isAsked?: boolean; readonly beside?: string };

/** By the hostile server, properly: with the policy server's signature, or without, so that each hospital asks for it. */
export async function forgeAllowed(all: Sending, { name, room, number, isAsked = true, beside }: ForgedSend, event: Sendable, place?: Place): Promise<string | undefined> {
  const { forge, ledger, seed } = all;
  const sentAt = Date.now();
  const made = await forge.make(room, event, place ? { place } : {});
  const { forged, refused } = isAsked ? await granted(forge, ledger, made) : { forged: made };
  const attempt = { number, kind: name, way: isAsked ? 'linear' : 'linear, unsigned', allowed: true, roomId: room.roomId, marker: `FED-${seed}-${number}`, sentAt, ...(beside === undefined ? {} : { beside }) };
  if (refused !== undefined) {
    ledger.note({ ...attempt, refused });
    return undefined;
  }
  // What a hospital didn't take from the forger is no message that was lost: it was never sent.
  if (!await handOver(all, forged, forge.deliver(forged))) return undefined;
  ledger.putForged('accepted', forged);
  ledger.note({ ...attempt, eventId: forged.eventId });
  return forged.eventId;
}

async function granted(forge: Forge, ledger: Ledger, made: Forged): Promise<{ readonly forged: Forged; readonly refused?: string }> {
  for (let tries = 1; ; tries += 1) {
    const { granted: isGranted, ms, forged, rule } = await forge.ask(made);
    if (rule === UNANSWERED) ledger.troubles.note('the policy server gave no answer', `to an allowed event, ${made.eventId}`);
    else ledger.checks.push(ms);
    if (isGranted) return { forged };
    if ((rule !== UNANSWERED && !PASSING_REFUSALS.has(rule ?? '')) || tries >= TRIES) return { forged, refused: rule ?? '' };
    ledger.again += 1;
    await pause(AGAIN_MS);
  }
}

/** Gives whether all have it. */
export async function handOver({ ledger }: Pick<Play, 'ledger'>, { eventId }: Forged, sent: Promise<readonly string[]>): Promise<boolean> {
  const without = await sent;
  for (const server of without) ledger.troubles.note(`${server} took no transaction for a minute`, `with ${eventId}`);
  return without.length === 0;
}

/** A homeserver that is at a loss for a moment, by what it says. */
export function noteAnswer({ ledger }: Pick<Play, 'ledger'>, { home }: Person, status: number, body: Readonly<Record<string, unknown>>): void {
  ledger.troubles.note(`${home.name} ${status === 0 ? 'gave no answer' : `answered ${status}`} to who sent an event`, JSON.stringify(body));
}

export async function ask({ forge, ledger }: Sending, forged: Forged, kind: string): Promise<void> {
  const { ms, granted, rule } = await forge.ask(forged);
  if (rule === UNANSWERED) ledger.troubles.note('the policy server gave no answer', `to ${kind} ${forged.eventId}`);
  else ledger.checks.push(ms);
  if (granted) ledger.signed.push({ kind, eventId: forged.eventId });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
