/**
 * The courier becomes a first-class Matrix device: registered, with keys, signed by the identity that all its devices share (client-server
 * API §11.12.2). Each step may be repeated, the private keys are kept before the public ones leave, and a half-done beginning is
 * completed, not begun anew.
 */
import { DeviceId, RequestType, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { asRecord, HomeserverError, pathOf, UNKNOWN_DEVICE, type Homeserver } from './homeserver.ts';
import { masterOf, publicKeyOf, readIdentity, writeIdentity, type KeptIdentity } from './keptIdentity.ts';
import type { ThreadOptions } from './options.ts';
import type { Outgoing } from './outgoing.ts';
import type { FromThread, IdentityAnswer, IdentityAsk } from './protocol.ts';
import type { Store } from './store.ts';

type Parts = {
  readonly options: ThreadOptions; readonly engine: Engine; readonly homeserver: Homeserver; readonly outgoing: Outgoing; readonly store: Store; readonly faults: Faults; readonly stopping: AbortSignal;
  readonly askIdentity: (ask: IdentityAsk) => Promise<IdentityAnswer>;
  readonly tell: (message: FromThread) => void;
};

/** Trying again won't help; the message says what to do. */
export class IdentityRefused extends Error {}

/** The keeper of the shared identity can't say now; it may later. */
export class IdentityUnavailable extends Error {}

/** Does what isn't done yet. Throws a HomeserverError when the homeserver can't be reached or refuses, {@link IdentityUnavailable} and {@link IdentityRefused}. */
export async function establishIdentity(parts: Parts): Promise<void> {
  const { options, store, faults } = parts;
  const done = await store.durable((sql) => sql.prepare("SELECT value FROM courier_fact WHERE name = 'identity'").get());
  if (done?.['value'] === 'kept' || (done && options.keeper === 'none')) return;
  if (!done) {
    await createDevice(parts);
    await refuseForeignKeys(parts);
  }
  const identity = options.keeper === 'given' ? await shareIdentity(parts) : undefined;
  if (!done) await publishDeviceKeys(parts);
  if (identity) await adopt(parts, identity);
  await signDevice(parts, identity);
  await checkOwnDevice(parts);
  await store.durable((sql) => sql.prepare("INSERT OR REPLACE INTO courier_fact VALUES ('identity', ?)").run(options.keeper === 'given' ? 'kept' : 'published'));
  await faults.reached('identity-published');
}

async function createDevice({ options, homeserver, faults }: Parts): Promise<void> {
  const localpart = options.userId.slice(1, options.userId.indexOf(':'));
  try {
    await homeserver.text({ method: 'POST', path: 'client/v3/register', as: 'service', body: JSON.stringify({ type: 'm.login.application_service', username: localpart, inhibit_login: true }) });
  } catch (error) {
    if (!(error instanceof HomeserverError && error.errcode === 'M_USER_IN_USE')) throw error;
  }
  await faults.reached('registered');
  await homeserver.text({ method: 'PUT', path: `client/v3/devices/${pathOf(options.deviceId)}`, as: 'user', body: JSON.stringify({ display_name: options.deviceName }) });
  await faults.reached('device-created');
}

/** Keys of another store under our device id: people's clients would refuse ours, and nobody could say why. */
async function refuseForeignKeys({ options, homeserver, engine, store, tell }: Parts): Promise<void> {
  const answer = await homeserver.json({ method: 'POST', path: 'client/v3/keys/query', body: JSON.stringify({ device_keys: { [options.userId]: [options.deviceId] } }) });
  const device = asRecord(asRecord(asRecord(answer['device_keys'])[options.userId])[options.deviceId]);
  const known = asRecord(device['keys'])[`ed25519:${options.deviceId}`];
  using identity = engine.machine.identityKeys;
  using own = identity.ed25519;
  if (known !== undefined && known !== own.toBase64()) {
    throw new IdentityRefused(`the device ${options.deviceId} of ${options.userId} has keys that aren't in this store. Restore the store it was made with, or choose a new device id.`);
  }
  const uploaded = await store.durable((sql) => sql.prepare("SELECT 1 FROM courier_fact WHERE name = 'device-keys'").get());
  if (known !== undefined || !uploaded) return;
  // Removed while it began. The engine doesn't upload its keys a second time, and the homeserver keeps old signatures for the id.
  tell({ kind: 'removed' });
  throw new HomeserverError(404, UNKNOWN_DEVICE, 'client/v3/keys/query');
}

/** The identity that is kept, or ours, kept from now on: before any of its public keys leave, so that the next device can go on with it. */
async function shareIdentity({ engine, askIdentity, store, faults }: Parts): Promise<KeptIdentity> {
  const answer = await askIdentity({ call: 'recall' });
  if (answer.is === 'refused') throw new IdentityUnavailable();
  if (answer.is === 'kept') return readIdentity(answer.identity);
  // `false`: an identity that is in the store is taken, and a new one made only when there is none.
  using requests = await engine.within('bootstrapCrossSigning', engine.machine.bootstrapCrossSigning(false));
  using signingKeys = requests.uploadSigningKeysRequest;
  using seeds = await engine.within('exportCrossSigningKeys', engine.machine.exportCrossSigningKeys());
  const { masterKey, self_signing_key: selfSigningKey, userSigningKey } = seeds ?? {};
  if (masterKey === undefined || selfSigningKey === undefined || userSigningKey === undefined) throw new IdentityRefused("the courier's store lacks private keys of its identity. Choose a new device id and a new store.");
  const identity: KeptIdentity = { masterKey, selfSigningKey, userSigningKey, publicKeys: signingKeys.body };
  await store.durable(() => undefined);
  const kept = await askIdentity({ call: 'keep', identity: writeIdentity(identity) });
  if (kept.is !== 'kept') throw new IdentityUnavailable();
  await faults.reached('identity-kept');
  return identity;
}

async function publishDeviceKeys({ engine, outgoing, faults, store, stopping }: Parts): Promise<void> {
  await outgoing.exclusively(stopping, async (send) => {
    for (const request of await engine.within('outgoingRequests', engine.machine.outgoingRequests())) {
      if (request.type === RequestType.KeysUpload) await send(request);
      else request.free(); // it is wanted again later
    }
  });
  await store.durable((sql) => sql.prepare("INSERT OR REPLACE INTO courier_fact VALUES ('device-keys', 'uploaded')").run());
  await faults.reached('device-keys-uploaded');
}

/** Makes the shared identity the engine's own. The engine takes private keys for public ones that it knows, so these come first. */
async function adopt({ options, engine, homeserver, outgoing, stopping, tell }: Parts, identity: KeptIdentity): Promise<void> {
  const answer = await homeserver.json({ method: 'POST', path: 'client/v3/keys/query', body: JSON.stringify({ device_keys: { [options.userId]: [] } }) });
  const published = publicKeyOf(asRecord(answer['master_keys'])[options.userId]);
  if (published !== masterOf(identity)) {
    if (published !== undefined) tell({ kind: 'log', event: { level: 'warn', code: 'identity-replaced', userId: options.userId } });
    await homeserver.text({ method: 'POST', path: 'client/v3/keys/device_signing/upload', body: identity.publicKeys });
  }
  await outgoing.exclusively(stopping, (send) => send(engine.machine.queryKeysForUsers([new UserId(options.userId)])));
  using status = await engine.within('crossSigningStatus', engine.machine.crossSigningStatus());
  if (status.hasMaster && status.hasSelfSigning && status.hasUserSigning) return;
  const { masterKey, selfSigningKey, userSigningKey } = identity;
  using adopted = await engine.within('importCrossSigningKeys', engine.machine.importCrossSigningKeys(masterKey, selfSigningKey, userSigningKey));
  if (!adopted.hasMaster || !adopted.hasSelfSigning || !adopted.hasUserSigning) throw new HomeserverError(0, 'identity-not-adopted', 'client/v3/keys/query');
}

/** The engine signs public keys anew only when it made the private ones itself: those of a shared identity are published as they were made. */
async function signDevice({ engine, homeserver, faults, store, stopping, outgoing }: Parts, shared: KeptIdentity | undefined): Promise<void> {
  await outgoing.exclusively(stopping, async (send) => {
    using requests = await engine.within('bootstrapCrossSigning', engine.machine.bootstrapCrossSigning(false));
    await store.durable(() => undefined);
    await faults.reached('identity-created');
    const keys = requests.uploadKeysRequest as Parameters<typeof send>[0] | undefined;
    if (keys) await send(keys);
    using signingKeys = requests.uploadSigningKeysRequest;
    await homeserver.text({ method: 'POST', path: 'client/v3/keys/device_signing/upload', body: shared?.publicKeys ?? signingKeys.body });
    await faults.reached('cross-signing-uploaded');
    using signatures = requests.uploadSignaturesRequest;
    const { failures } = await homeserver.json({ method: 'POST', path: 'client/v3/keys/signatures/upload', body: signatures.body });
    if (Object.keys(asRecord(failures)).length > 0) throw new HomeserverError(400, 'signature-refused', 'client/v3/keys/signatures/upload');
    await faults.reached('device-signed');
  });
}

async function checkOwnDevice({ options, engine, outgoing, stopping }: Parts): Promise<void> {
  await outgoing.exclusively(stopping, (send) => send(engine.machine.queryKeysForUsers([new UserId(options.userId)])));
  using userId = new UserId(options.userId);
  using deviceId = new DeviceId(options.deviceId);
  using device = await engine.within('getDevice', engine.machine.getDevice(userId, deviceId));
  if (device?.isCrossSignedByOwner() !== true) throw new HomeserverError(0, 'not-cross-signed', 'client/v3/keys/query');
  using identity = await engine.within('getIdentity', engine.machine.getIdentity(userId));
  if (identity?.isVerified() !== true) throw new HomeserverError(0, 'identity-changed', 'client/v3/keys/query');
}
