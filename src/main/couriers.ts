import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCourier, type CourierLog, type IdentityKeeper } from '../adapters/crypto/courier.ts';
import { findStore, removeDevice, setStoreAside } from '../adapters/crypto/storeFile.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { UserId } from '../domain/brand.ts';
import { FHIR_CONTENT_KEY } from '../domain/clinical/render.ts';
import type { SeatDevices } from '../loop/seating.ts';
import { createSeats, type Seats } from '../loop/seats.ts';
import { noFaults, type Faults } from '../ports/faults.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Lease, Store } from '../ports/store.ts';
import type { Log, Metrics } from '../ports/telemetry.ts';

export type CouriersParts = {
  readonly config: LoadedConfig; readonly store: Store; readonly keys: KeyRing; readonly worker: string; readonly userId: UserId; readonly asToken: string;
  readonly log: Log; readonly metrics: Metrics; readonly faults: Faults;
  /** As the configuration says now. */
  readonly whenServerAway: () => LoadedConfig['delivery']['when_server_away'];
  readonly taken: () => void;
};

/** The courier's seats, with their stores in `data_dir`: `courier.db` for the first, `courier-N.db` for the others. */
export function composeCouriers({ config, whenServerAway, store, keys, worker, userId, asToken, log, metrics, faults, taken }: CouriersParts): Seats {
  const { courier: settings, homeserver, organisation } = config;
  const folder = config.at(config.data_dir);
  const pathOf = (seat: number): string => join(folder, seat === 0 ? 'courier.db' : `courier-${seat}.db`);
  const device = { homeserverUrl: homeserver.url, asToken, userId };
  const invent: SeatDevices['invent'] = (seat) => ({ deviceId: `${settings.device_id}${seat}${randomBytes(4).toString('hex').toUpperCase()}`, storeId: randomUUID() });
  const alone = config.store.postgres_url_file === undefined;
  const heard = ({ level, code, ...ids }: CourierLog): void => {
    if (code === 'engine-restarted') metrics.count('courier_restarts');
    log[level](`courier.${code}`, ids);
  };

  return createSeats({
    store, worker, log, metrics, taken, clock: () => store.clock(), steady: () => performance.now(),
    // One worker has everything in its own folder: a store that isn't there is nowhere.
    terms: { seats: settings.devices, takeoverMs: alone ? 0 : settings.takeover_seconds * 1000, manner: alone ? 'at-once' : 'patient' },
    devices: {
      here: (seat) => findStore(pathOf(seat)),
      invent,
      first: (seat) => ({ deviceId: seat === 0 ? settings.device_id : invent(seat).deviceId, storeId: findStore(pathOf(seat))?.storeId ?? randomUUID() }),
      setAside: (seat) => setStoreAside(pathOf(seat)),
      retire: (deviceId) => removeDevice({ ...device, deviceId }),
      open: ({ seat, deviceId, storeId, bornAt }, lease) => {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        return createCourier({
          ...device, deviceId, storeId, bornAt, generation: lease.generation, deviceName: `${organisation.name} (Aceso${seat === 0 ? '' : ` ${seat + 1}`})`,
          storePath: pathOf(seat), storeKey: keys.derive('courier'), trust: settings.unsigned_devices === 'allow' ? 'any' : 'signed',
          whenServerAway, changedIdentities: settings.changed_identities,
          attachmentKey: FHIR_CONTENT_KEY, identity: identityKeeper(store, seat, lease), log: (event) => heard({ ...event, id: event.id ?? `seat ${seat}` }),
          ...(faults === noFaults ? {} : { faultPoint: (step) => { faults.at(`courier.${step}`); return undefined; } }),
        });
      },
    },
  });
}

const IDENTITY = 'cross-signing';

/** The identity is made on the first seat alone, in the name of its lease: an installation has one, however many devices begin at once. */
function identityKeeper(store: Pick<Store, 'secret' | 'saveSecret'>, seat: number, lease: Lease): IdentityKeeper {
  return {
    async recall() {
      const identity = await store.secret(IDENTITY);
      if (identity === undefined && seat !== 0) throw new Error('the first seat makes the identity');
      return identity;
    },
    async keep(identity) {
      if (!await store.saveSecret(lease, IDENTITY, identity)) throw new Error('the seat is another worker\'s by now');
    },
  };
}
