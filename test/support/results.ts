/** Results as a test pushes them and looks for them: each has an accession number of its own, which the message shows. */
import { expect } from 'chai';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { listHeld } from '../../src/main/deliveries.ts';
import { listPeople } from '../../src/main/people.ts';
import type { Aceso, DeliveryView } from './aceso.ts';
import type { Client, SeenMessage } from './clients/client.ts';
import { potassiumReport } from './fhir.ts';
import type { Hospital, Slot } from './lab.ts';
import { matrix } from './matrixHttp.ts';
import { until } from './until.ts';

/** Pushes a critical potassium for the orderer with this NPI; resolves when Aceso has answered that it is durably its own. */
export async function tell(aceso: Aceso, accession: string, npi: string): Promise<void> {
  const answer = await aceso.push('/DiagnosticReport', potassiumReport({ accession, npi }));
  expect(answer.status, answer.text).to.equal(201);
}

export const about = (accession: string) => ({ content }: Pick<SeenMessage, 'content'>): boolean => new RegExp(`${accession}(?![\\w-])`, 'u').test(String(content['body']));

/** The message with this accession number, once the client has decrypted it. */
export const sees = (client: Client, accession: string, timeoutMs = 60_000): Promise<SeenMessage> => client.waitForMessage(about(accession), timeoutMs);

/** What `aceso held list` says. */
export const heldList = async (aceso: Aceso): Promise<readonly DeliveryView[]> => (await aceso.show<{ readonly deliveries: readonly DeliveryView[] }>(listHeld)).deliveries;

export type RoomView = { readonly roomId?: string; readonly members: Readonly<Record<string, string>> };

/** The results room of a party, as `aceso people list` says it. */
export async function roomOf(aceso: Aceso, party: string): Promise<RoomView | undefined> {
  const people = await aceso.show<readonly { readonly id: string; readonly room?: RoomView }[]>(listPeople);
  return people.find(({ id }) => id === party)?.room;
}

/** A member's place in it. */
export const membershipOf = async (aceso: Aceso, party: string, userId: string): Promise<string | undefined> => (await roomOf(aceso, party))?.members[userId];

/** The client-server API of a hospital, as one of the users of an application service: by default Aceso's guardian. */
export function asGuardian(hospital: Hospital, slot: Slot, path: string, call: { readonly body?: unknown; readonly method?: 'GET' | 'POST' | 'PUT' } = {}): Promise<Record<string, unknown>> {
  const url = new URL(`/_matrix/client/v3${path}`, hospital.baseUrl);
  url.searchParams.set('user_id', `@${slot.prefix}guardian:${hospital.serverName}`);
  return matrix(hospital.baseUrl, `${url.pathname}${url.search}`, { token: slot.asToken, ...call });
}

/** Waits until the courier's homeserver knows the device, and its owner's signature on it where one is expected: what is sent from then on must reach it. */
export async function known(hospital: Hospital, slot: Slot, client: Client, signature: 'signed' | 'unsigned'): Promise<void> {
  await until(`${hospital.name} to know the device ${client.deviceId}`, async () => {
    const answer = (await asGuardian(hospital, slot, '/keys/query', { body: { device_keys: { [client.userId]: [] } } })) as { readonly device_keys?: Readonly<Record<string, Readonly<Record<string, { readonly signatures: Readonly<Record<string, object>> }>>>> };
    const signatures = answer.device_keys?.[client.userId]?.[client.deviceId]?.signatures[client.userId];
    return signatures && Object.keys(signatures).length > (signature === 'signed' ? 1 : 0);
  });
}

export type AuditLine = { readonly action: string; readonly because: string; readonly detail: Readonly<Record<string, unknown>> };

/** The audit as it is in its database (SQLite), from the beginning. */
export function auditOf({ folder }: Pick<Aceso, 'folder'>): readonly AuditLine[] {
  const database = new DatabaseSync(join(folder, 'data', 'aceso.db'), { readOnly: true });
  const rows = database.prepare('select action, because, detail from audit order by seq').all() as unknown as readonly { readonly action: string; readonly because: string; readonly detail: string | null }[];
  database.close();
  return rows.map(({ action, because, detail }) => ({ action, because, detail: JSON.parse(detail ?? '{}') as AuditLine['detail'] }));
}
