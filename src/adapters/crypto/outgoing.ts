/** Requests that the engine wants made: keys to upload, to ask for, to claim, and messages to devices. One at a time, durable before they leave. */
import { RequestType, type KeysBackupRequest, type KeysClaimRequest, type KeysQueryRequest, type KeysUploadRequest, type RoomMessageRequest, type SignatureUploadRequest, type ToDeviceRequest } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { DatabaseSync } from 'node:sqlite';
import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { asRecord, HomeserverError, pathOf, type Homeserver, type Request } from './homeserver.ts';
import { createLocks, orAborted } from './locks.ts';
import type { Resets } from './resets.ts';
import type { Store } from './store.ts';
import { together } from './together.ts';

export type EngineRequest = KeysUploadRequest | KeysQueryRequest | KeysClaimRequest | ToDeviceRequest | SignatureUploadRequest | RoomMessageRequest | KeysBackupRequest;

/** Makes one request and tells the engine its answer. `before` is written in the same instant in which the request becomes durable. */
export type SendRequest = (request: EngineRequest, before?: (sql: DatabaseSync) => void) => Promise<void>;

export type Outgoing = {
  /** Makes what the engine wants made, until it wants nothing; all who wait for it wait for the same requests. Throws a HomeserverError when the homeserver doesn't take it. */
  flush(signal: AbortSignal): Promise<void>;
  /** Runs `work` while no other request of the engine is under way: it mixes up the answers otherwise. */
  exclusively<T>(signal: AbortSignal, work: (send: SendRequest) => Promise<T>): Promise<T>;
  /** Servers that didn't answer when last asked for devices, or for one-time keys. */
  readonly silent: { readonly devices: ReadonlySet<string>; readonly oneTimeKeys: ReadonlySet<string> };
};

export function createOutgoing(engine: Engine, homeserver: Homeserver, store: Store, faults: Faults, resets: Resets, stopping: AbortSignal): Outgoing {
  const { machine } = engine;
  const locks = createLocks();
  const silent = { devices: new Set<string>(), oneTimeKeys: new Set<string>() };

  const send = async (request: EngineRequest, before: (sql: DatabaseSync) => void, signal: AbortSignal): Promise<void> => {
    using handle = request;
    const { id, type, body } = handle;
    await store.durable(before);
    const answer = await homeserver.text({ ...httpRequest(handle), signal });
    if (type === RequestType.ToDevice) await faults.reached('to-device-put');
    if (type === RequestType.KeysQuery) noteSilence(silent.devices, asRecord(JSON.parse(body))['device_keys'], answer);
    if (type === RequestType.KeysClaim) noteSilence(silent.oneTimeKeys, asRecord(JSON.parse(body))['one_time_keys'], answer);
    const looked = type === RequestType.KeysQuery ? await resets.look(answer) : undefined;
    if (id !== undefined) await engine.within('markRequestAsSent', machine.markRequestAsSent(id, type, looked?.answer ?? answer));
    await looked?.after();
  };
  const exclusively: Outgoing['exclusively'] = (signal, work) => locks.run('engine', signal, () => work((request, before = () => undefined) => send(request, before, signal)));
  const flushed = together<never>(() => exclusively(stopping, async (sendOne) => {
    for (let round = 0; round < 50; round += 1) {
      const requests = await engine.within('outgoingRequests', machine.outgoingRequests());
      if (requests.length === 0) return;
      for (const request of requests) await sendOne(request);
      stopping.throwIfAborted();
    }
    throw new HomeserverError(0, 'unsettled', 'the engine');
  }));

  return {
    silent,
    exclusively,
    flush: (signal) => orAborted(flushed([]), signal),
  };
}

function httpRequest(request: EngineRequest): Request {
  const { type, body } = request;
  switch (type) {
    case RequestType.KeysUpload: return { method: 'POST', path: 'client/v3/keys/upload', body };
    case RequestType.KeysQuery: return { method: 'POST', path: 'client/v3/keys/query', body };
    case RequestType.KeysClaim: return { method: 'POST', path: 'client/v3/keys/claim', body };
    case RequestType.SignatureUpload: return { method: 'POST', path: 'client/v3/keys/signatures/upload', body };
    case RequestType.ToDevice: {
      if (!('txn_id' in request)) throw new Error('a message to devices without a transaction id');
      return { method: 'PUT', path: `client/v3/sendToDevice/${pathOf(request.event_type, request.txn_id)}`, body };
    }
    case RequestType.RoomMessage:
    case RequestType.KeysBackup:
      throw new Error(`the engine asks for a request of kind ${RequestType[type]}, which the courier never starts`);
  }
}

function noteSilence(silentServers: Set<string>, asked: unknown, answer: string): void {
  const failures = asRecord(asRecord(JSON.parse(answer))['failures']);
  for (const userId of Object.keys(asRecord(asked))) {
    const server = serverOf(userId);
    if (server in failures) silentServers.add(server);
    else silentServers.delete(server);
  }
}

export const serverOf = (userId: string): string => userId.slice(userId.indexOf(':') + 1);
