/**
 * A Matrix device that is an engine in memory and nothing more: it asks its homeserver for what a test says, when the test says. For edges that
 * a whole client hides: no one-time keys, a reset, a device that is gone and still tries to read.
 */
import { DecryptionSettings, DeviceId, DeviceLists, EncryptionSettings, initAsync, OlmMachine, RequestType, RoomId, TrustRequirement, UserId, type CrossSigningBootstrapRequests } from '@matrix-org/matrix-sdk-crypto-wasm';
import { randomUUID } from 'node:crypto';
import type { EncryptedEvent } from '../../../src/ports/courier.ts';
import type { Place } from '../courier.ts';
import { matrix, text } from '../matrixHttp.ts';

export type BareDevice = {
  readonly userId: string;
  readonly deviceId: string;
  /** A call of the client-server API as this device, e.g. `/keys/upload`. */
  call(path: string, body?: unknown, method?: 'POST' | 'PUT' | 'DELETE'): Promise<Record<string, unknown>>;
  /** Takes what was sent to the device; uploads the keys that are missing by then, unless told to keep them. */
  sync(keys?: 'upload' | 'keep'): Promise<void>;
  /** What the event says, or why it can't be read: the name of the engine's error. */
  read(roomId: string, event: EncryptedEvent): Promise<string>;
  /** Encrypts a text for the devices of these people and sends it; gives its event id. */
  send(roomId: string, people: readonly string[], body: string): Promise<string>;
  /** Signs the device as its owner's: with a new identity, or with that of another device of theirs. */
  sign(identity: 'new' | BareDevice): Promise<void>;
  readonly machine: OlmMachine;
};

export type BareOptions = {
  /** Public keys that are uploaded at first; `none`: only the device's own. */
  readonly oneTimeKeys?: 'some' | 'none';
};

let devices = 0;

/** A person of the courier's own application service, so that they need no password and no limit holds. */
export const personOf = (place: Place, name: string): string => place.userId.replace(/courier\d+:/u, `${name}:`);

/** A new device with new keys, whatever device of that id there was. */
export async function bareDevice(place: Place, userId: string, deviceId: string, { oneTimeKeys = 'some' }: BareOptions = {}): Promise<BareDevice> {
  const token = place.options.asToken;
  const { baseUrl } = place.hospital;
  const request = (path: string, as: Record<string, string>, body?: unknown, method?: 'POST' | 'PUT' | 'DELETE'): Promise<Record<string, unknown>> => {
    const url = new URL(`/_matrix/client/v3${path}`, baseUrl);
    for (const [name, value] of Object.entries(as)) url.searchParams.set(name, value);
    return matrix(baseUrl, `${url.pathname}${url.search}`, { token, ...(body === undefined ? {} : { body }), ...(method ? { method } : {}) });
  };
  const call: BareDevice['call'] = (path, body, method) => request(path, { user_id: userId, device_id: deviceId }, body, method);
  await request('/register', {}, { type: 'm.login.application_service', username: userId.slice(1).split(':')[0], inhibit_login: true }).catch(() => undefined); // there already
  await request(`/devices/${encodeURIComponent(deviceId)}`, { user_id: userId }, { display_name: deviceId }, 'PUT');
  await initAsync();
  const machine = await OlmMachine.initialize(new UserId(userId), new DeviceId(deviceId));
  let since: string | undefined;
  const number = (devices += 1); // as the timeout: Synapse gives a device of the same id the answer that it gave the one before, if the request is the same

  const flush = async (keys: 'upload' | 'keep'): Promise<void> => {
    for (const each of await machine.outgoingRequests()) {
      const body = JSON.parse('body' in each ? each.body : '{}') as Record<string, unknown>;
      if (each.type === RequestType.KeysUpload) {
        if (keys === 'keep') continue;
        const sent = oneTimeKeys === 'none' ? { device_keys: body['device_keys'] } : body;
        await machine.markRequestAsSent(each.id ?? '', each.type, JSON.stringify(await call('/keys/upload', sent)));
      }
      if (each.type === RequestType.KeysQuery) await machine.markRequestAsSent(each.id ?? '', each.type, JSON.stringify(await call('/keys/query', body)));
      if (each.type === RequestType.SignatureUpload) await machine.markRequestAsSent(each.id ?? '', each.type, JSON.stringify(await call('/keys/signatures/upload', body)));
    }
  };
  const publish = async (requests: CrossSigningBootstrapRequests, identity: 'new' | BareDevice): Promise<void> => {
    if (identity === 'new') await call('/keys/device_signing/upload', JSON.parse(requests.uploadSigningKeysRequest.body));
    await call('/keys/signatures/upload', JSON.parse(requests.uploadSignaturesRequest.body));
  };

  await flush('upload');
  return {
    userId, deviceId, call, machine,
    async sync(keys = 'upload') {
      const answer = await call(`/sync?timeout=${number}${since === undefined ? '' : `&since=${encodeURIComponent(since)}`}`);
      const { events = [] } = (answer['to_device'] ?? {}) as { readonly events?: readonly unknown[] };
      const counts = new Map(Object.entries((answer['device_one_time_keys_count'] ?? {}) as Record<string, number>));
      const unused = new Set((answer['device_unused_fallback_key_types'] ?? []) as string[]);
      await machine.receiveSyncChanges(JSON.stringify(events), new DeviceLists([], []), counts, unused);
      since = String(answer['next_batch']);
      await flush(keys);
    },
    async read(roomId, event) {
      try {
        const plain = await machine.decryptRoomEvent(JSON.stringify({ ...event, room_id: roomId }), new RoomId(roomId), new DecryptionSettings(TrustRequirement.Untrusted));
        return String((JSON.parse(plain.event) as { readonly content: { readonly body: unknown } }).content.body);
      } catch (error) {
        return String((error as { readonly description?: unknown }).description ?? error);
      }
    },
    async send(roomId, people, body) {
      const room = new RoomId(roomId);
      const users = (): UserId[] => people.map((person) => new UserId(person));
      await machine.updateTrackedUsers(users());
      await flush('keep');
      const claim = await machine.getMissingSessions(users());
      if (claim) await machine.markRequestAsSent(claim.id, claim.type, JSON.stringify(await call('/keys/claim', JSON.parse(claim.body))));
      for (const each of await machine.shareRoomKey(room, users(), new EncryptionSettings())) {
        await machine.markRequestAsSent(each.id, each.type, JSON.stringify(await call(`/sendToDevice/${each.event_type}/${each.txn_id}`, JSON.parse(each.body), 'PUT')));
      }
      const content = await machine.encryptRoomEvent(room, 'm.room.message', JSON.stringify({ msgtype: 'm.text', body }));
      return text(await call(`/rooms/${encodeURIComponent(roomId)}/send/m.room.encrypted/${randomUUID()}`, JSON.parse(content), 'PUT'), 'event_id');
    },
    async sign(identity) {
      if (identity !== 'new') {
        const keys = await identity.machine.exportCrossSigningKeys();
        if (!keys) throw new Error(`${identity.deviceId} has no identity to sign with`);
        await machine.importCrossSigningKeys(keys.masterKey, keys.self_signing_key, keys.userSigningKey);
      }
      const requests = await machine.bootstrapCrossSigning(identity === 'new');
      await publish(requests, identity);
    },
  };
}

/** Joins a room that they are invited to. */
export async function joins(device: BareDevice, roomId: string): Promise<void> {
  await device.call(`/join/${encodeURIComponent(roomId)}`, {});
}
