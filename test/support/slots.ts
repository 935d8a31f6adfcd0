/**
 * Application service registrations that Synapse knows from its start. Adding one needs a restart, so a shared hospital starts with
 * several, and each test file takes one for its own Aceso.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './ports.ts';

export type Slot = {
  readonly id: string;
  readonly asToken: string;
  readonly hsToken: string;
  /** Where Synapse sends the transactions: 127.0.0.1, this port. Nothing listens there until the test does. */
  readonly port: number;
  readonly url: string;
  /** Localparts that start with it are this appservice's: `aceso0_`. Aliases likewise: `#aceso0_…`. */
  readonly prefix: string;
  readonly senderLocalpart: string;
  readonly serverName: string;
  readonly registrationFile: string;
};

/** Writes `count` registrations into `folder`, for the server `serverName`. */
export async function createSlots(folder: string, serverName: string, count: number): Promise<readonly Slot[]> {
  mkdirSync(folder, { recursive: true });
  const slots: Slot[] = [];
  for (let index = 0; index < count; index += 1) {
    const prefix = `aceso${index}_`;
    const port = await freePort();
    const slot = {
      id: `slot${index}`,
      asToken: randomBytes(24).toString('hex'),
      hsToken: randomBytes(24).toString('hex'),
      port,
      url: `http://127.0.0.1:${port}`,
      prefix,
      senderLocalpart: `${prefix}guardian`,
      serverName,
      registrationFile: join(folder, `slot${index}.yaml`),
    };
    writeFileSync(slot.registrationFile, stringify(registration(slot)), { mode: 0o600 });
    slots.push(slot);
  }
  return slots;
}

/** The registration of a slot, as homeservers read it (client-server device management of MSC4190 on, so that it can hold a device). */
export function registration(slot: Slot): Record<string, unknown> {
  const server = slot.serverName.replaceAll('.', '\\.');
  return {
    id: slot.id,
    url: slot.url,
    as_token: slot.asToken,
    hs_token: slot.hsToken,
    sender_localpart: slot.senderLocalpart,
    namespaces: {
      users: [{ exclusive: true, regex: `@${slot.prefix}.*:${server}` }],
      aliases: [{ exclusive: true, regex: `#${slot.prefix}.*:${server}` }],
      rooms: [],
    },
    rate_limited: false,
    receive_ephemeral: true,
    'io.element.msc4190': true,
  };
}

/** Hands out each slot once; the error says how to get more. */
export function slotTaker(hospital: string, slots: readonly Slot[]): () => Slot {
  const left = [...slots];
  return () => {
    const slot = left.shift();
    if (!slot) throw new Error(`all ${slots.length} appservice slots of ${hospital} are taken. Raise slotCount in test/support/lab.ts, or share one in the test file.`);
    return slot;
  };
}
