/**
 * What users of real homeservers go on doing while a policy server fails: a stream of messages that may pass, each sent again under its own transaction id
 * until it does, and a stream of what may not, each kind in its turn.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from './lab.ts';
import { matrixAnswer, type MatrixAnswer } from './matrixHttp.ts';
import { forgeDevice, forgeSession } from './stub/forge.ts';
import type { Json } from './stub/signing.ts';

export type Talker = { readonly baseUrl: string; readonly userId: string; readonly accessToken: string };

/** `status` 0: no answer. `rule`: which rule of Aceso's refused it. `at`: when it was answered, ms since 1970. */
export type Attempt = { readonly userId: string; readonly at: number; readonly status: number; readonly rule?: string };
export type Passed = { readonly userId: string; readonly eventId: string; readonly at: number; /** How often it had been refused under the same transaction id. */ readonly refused: number };

export type PolicyStreams = {
  /** In all that may not pass, and nowhere else. */
  readonly marker: string;
  readonly passed: readonly Passed[];
  /** Tries of messages that may pass, and didn't. */
  readonly delayed: readonly Attempt[];
  /** Tries of what may not pass. */
  readonly forbidden: readonly Attempt[];
  /** Everybody has had a message pass since then. */
  flowsSince(at: number): boolean;
  /** Ends the streams; what is under way goes through first, or is given up after so long. Gives how many were given up. */
  stop(withinMs?: number): Promise<number>;
};

const EVERY_MS = 200;
const AGAIN_MS = 250;
const ANSWER_WITHIN_MS = 10_000;

export function startPolicyStreams(roomId: string, talkers: readonly Talker[]): PolicyStreams {
  const marker = `FORBIDDEN-${randomBytes(6).toString('hex')}`;
  const passed: Passed[] = [];
  const delayed: Attempt[] = [];
  const forbidden: Attempt[] = [];
  const over = new AbortController();
  const late = new AbortController();
  let sends = 0;
  let givenUp = 0;

  const send = async (talker: Talker, type: string, transaction: string, content: Json): Promise<MatrixAnswer & { readonly attempt: Attempt }> => {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${type}/${transaction}`;
    const answer = await Promise.race([matrixAnswer(talker.baseUrl, path, { method: 'PUT', token: talker.accessToken, body: content }), pause(ANSWER_WITHIN_MS)]).catch(() => undefined);
    const { status, body } = answer ?? { status: 0, body: {} };
    const rule = body['org.aceso.rule'];
    return { status, body, attempt: { userId: talker.userId, at: Date.now(), status, ...(typeof rule === 'string' ? { rule } : {}) } };
  };
  const allowedOf = async (talker: Talker): Promise<void> => {
    const session = forgeSession(forgeDevice(talker.userId, 'STREAM'));
    while (!over.signal.aborted) {
      const [content, transaction] = [session.next(), `${marker}-allowed-${(sends += 1)}`];
      for (let refused = 0; ; refused += 1) {
        const { status, body, attempt } = await send(talker, 'm.room.encrypted', transaction, content);
        if (status === 200) { passed.push({ userId: talker.userId, eventId: String(body['event_id']), at: attempt.at, refused }); break; }
        delayed.push(attempt);
        if (late.signal.aborted) { givenUp += 1; return; }
        await pause(AGAIN_MS);
      }
      await pause(EVERY_MS);
    }
  };
  const forbiddenOf = async (talker: Talker): Promise<void> => {
    const session = forgeSession(forgeDevice(talker.userId, 'STREAM'));
    const kinds = kindsOf(marker, () => session.next());
    for (let count = 0; !over.signal.aborted; count += 1) {
      const { type, content } = (kinds[count % kinds.length] as typeof kinds[number])();
      forbidden.push((await send(talker, type, `${marker}-forbidden-${(sends += 1)}`, content)).attempt);
      await pause(EVERY_MS);
    }
  };
  const streams = talkers.flatMap((talker) => [allowedOf(talker), forbiddenOf(talker)]);
  return {
    marker, passed, delayed, forbidden,
    flowsSince: (since) => talkers.every(({ userId }) => passed.some((each) => each.userId === userId && each.at >= since)),
    async stop(withinMs = 20_000) {
      over.abort();
      const giveUp = setTimeout(() => late.abort(), withinMs);
      await Promise.all(streams);
      clearTimeout(giveUp);
      return givenUp;
    },
  };
}

/** Clear text, and clear text beside what is encrypted, in what says what it answers, and in a reaction. */
const kindsOf = (marker: string, encrypted: () => Json): readonly (() => { readonly type: string; readonly content: Json })[] => [
  () => ({ type: 'm.room.message', content: { msgtype: 'm.text', body: `${marker} K 6.8` } }),
  () => ({ type: 'm.room.encrypted', content: { ...encrypted(), body: `${marker} K 6.8` } }),
  () => ({ type: 'm.room.encrypted', content: { ...encrypted(), 'm.relates_to': { 'm.in_reply_to': { event_id: `${marker} K 6.8` } } } }),
  () => ({ type: 'm.room.encrypted', content: { ...encrypted(), ciphertext: Buffer.from(`${marker} K 6.8`).toString('base64') } }),
  () => ({ type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: `$${'A'.repeat(43)}`, key: `${marker} K 6.8` } } }),
];

/** Events on a homeserver's disk, its own or others', accepted or not, with this text in them. Read-only; Synapse may run. */
export function storedWith({ databaseFile }: Pick<Hospital, 'databaseFile'>, text: string): number {
  const database = new DatabaseSync(databaseFile, { readOnly: true });
  try {
    const [row] = database.prepare('SELECT count(*) AS found FROM event_json WHERE instr(json, ?) > 0 OR instr(json, ?) > 0').all(text, Buffer.from(text).toString('base64').slice(0, 28));
    return Number(row?.['found']);
  } finally {
    database.close();
  }
}

/** Whether the policy server's door answers. */
export function isDoorOpen(port: number, caFile: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ host: 'localhost', port, path: '/_matrix/federation/v1/version', ca: readFileSync(caFile), agent: false, timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false)).end();
  });
}

const pause = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
