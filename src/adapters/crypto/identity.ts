/**
 * The courier becomes a first-class Matrix device: registered, with keys, cross-signed by itself (client-server API §11.12.2). Each step
 * may be repeated, the private keys are in the store before the public ones leave, and a half-done beginning is completed, not begun anew.
 */
import { DeviceId, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { asRecord, HomeserverError, pathOf, type Homeserver } from './homeserver.ts';
import type { ThreadOptions } from './options.ts';
import type { Outgoing } from './outgoing.ts';
import type { Store } from './store.ts';

type Parts = { readonly options: ThreadOptions; readonly engine: Engine; readonly homeserver: Homeserver; readonly outgoing: Outgoing; readonly store: Store; readonly faults: Faults; readonly stopping: AbortSignal };

/** Trying again won't help; the message says what to do. */
export class IdentityRefused extends Error {}

/** Does what isn't done yet. Throws a HomeserverError when the homeserver can't be reached or refuses, and {@link IdentityRefused}. */
export async function establishIdentity(parts: Parts): Promise<void> {
  const { store } = parts;
  const published = await store.durable((sql) => sql.prepare("SELECT value FROM courier_fact WHERE name = 'identity'").get());
  if (published) return;
  await createDevice(parts);
  await refuseForeignKeys(parts);
  await publishKeys(parts);
  await checkOwnDevice(parts);
  await store.durable((sql) => sql.prepare("INSERT OR REPLACE INTO courier_fact VALUES ('identity', 'published')").run());
  await parts.faults.reached('identity-published');
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
async function refuseForeignKeys({ options, homeserver, engine }: Parts): Promise<void> {
  const answer = await homeserver.json({ method: 'POST', path: 'client/v3/keys/query', body: JSON.stringify({ device_keys: { [options.userId]: [options.deviceId] } }) });
  const device = asRecord(asRecord(asRecord(answer['device_keys'])[options.userId])[options.deviceId]);
  const known = asRecord(device['keys'])[`ed25519:${options.deviceId}`];
  using identity = engine.machine.identityKeys;
  using own = identity.ed25519;
  if (known !== undefined && known !== own.toBase64()) {
    throw new IdentityRefused(`the device ${options.deviceId} of ${options.userId} has keys that aren't in this store. Restore the store it was made with, or choose a new device id.`);
  }
}

async function publishKeys({ engine, homeserver, outgoing, faults, store, stopping }: Parts): Promise<void> {
  await outgoing.exclusively(stopping, async (send) => {
    // `false`: an identity that is in the store is published again, and a new one made only when there is none.
    using requests = await engine.within('bootstrapCrossSigning', engine.machine.bootstrapCrossSigning(false));
    await store.durable(() => undefined);
    await faults.reached('identity-created');
    const keys = requests.uploadKeysRequest as Parameters<typeof send>[0] | undefined;
    if (keys) await send(keys);
    await faults.reached('device-keys-uploaded');
    using signingKeys = requests.uploadSigningKeysRequest;
    await homeserver.text({ method: 'POST', path: 'client/v3/keys/device_signing/upload', body: signingKeys.body });
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
