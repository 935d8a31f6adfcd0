/** Events on their way to one server, as the server-server API takes them: one transaction at a time, of up to 50 (§"Transactions"). */
import { randomUUID } from 'node:crypto';
import { createClient } from '../../src/adapters/federation/client.ts';
import type { Signer } from '../../src/adapters/federation/ed25519.ts';
import type { JsonObject } from '../../src/adapters/federation/signedJson.ts';
import { xMatrix } from '../../src/adapters/federation/xMatrix.ts';

export type Outbox = { /** Resolves when the server has answered the transaction that holds it. */ send(pdu: JsonObject): Promise<void>; close(): void };

export type OutboxParts = { readonly target: string; readonly origin: string; readonly keyId: string; readonly signer: Signer; readonly ca: Buffer };

const MOST_PDUS = 50;
/** The hostile Synapse speaks in the same name, and a server takes one transaction of an origin at a time: the other is told to come again. */
const AGAIN_MS = 25;
/** Between transactions, so that the Synapse has its turn; what comes meanwhile goes together. */
const GATHER_MS = 120;
const GIVE_UP_MS = 60_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function outboxTo({ target, origin, keyId, signer, ca }: OutboxParts): Outbox {
  const { ask, close } = createClient(`https://${target}`, { ca, advice: '' });
  const waiting: { readonly pdu: JsonObject; readonly done: () => void; readonly failed: (error: unknown) => void }[] = [];
  let isSending = false;
  const name = randomUUID(); // a server takes a transaction of the same id once
  let transactions = 0;

  async function transact(pdus: readonly JsonObject[]): Promise<void> {
    transactions += 1;
    const uri = `/_matrix/federation/v1/send/${name}-${transactions}`;
    const content = { origin, origin_server_ts: Date.now(), pdus };
    const until = Date.now() + GIVE_UP_MS;
    for (;;) {
      const answer = await ask('PUT', uri, { content, authorization: xMatrix({ method: 'PUT', uri, content }, origin, target, keyId, signer) });
      if (answer.ok && answer.value.status === 200) return;
      if (Date.now() > until || (answer.ok && answer.value.status !== 429 && answer.value.status < 500)) throw new Error(`${target} doesn't take a transaction: ${answer.ok ? `${answer.value.status} ${JSON.stringify(answer.value.body)}` : answer.error.message}`);
      await pause(AGAIN_MS);
    }
  }

  async function sendAll(): Promise<void> {
    if (isSending) return;
    isSending = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MOST_PDUS);
      await transact(batch.map(({ pdu }) => pdu)).then(() => batch.forEach(({ done }) => done()), (error: unknown) => batch.forEach(({ failed }) => failed(error)));
      await pause(GATHER_MS);
    }
    isSending = false;
  }

  return {
    send: (pdu) => new Promise((done, failed) => {
      waiting.push({ pdu, done, failed });
      void sendAll();
    }),
    close,
  };
}
