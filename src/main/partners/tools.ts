import { existsSync } from 'node:fs';
import { readAuthority } from '../../adapters/federation/client.ts';
import { openServerKeys } from '../../adapters/federation/keyFile.ts';
import { tryPartner, type PartnerTrial } from '../../adapters/federation/tryPartner.ts';
import { createHomeserver, type HomeserverOptions } from '../../adapters/matrix/homeserver.ts';
import { createInspection } from '../../adapters/matrix/inspect.ts';
import { createRoomSource } from '../../adapters/matrix/roomSource.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { as, type Millis } from '../../domain/brand.ts';
import { refuse } from '../../domain/policy/admit.ts';
import type { Homeserver } from '../../ports/homeserver.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { PolicyServer, RoomSource } from '../../ports/policyServer.ts';
import type { Store } from '../../ports/store.ts';
import { createAgreed } from '../agreements/agreed.ts';
import { configuredDemands } from '../agreements/roomDemands.ts';
import { courierLocalpart, guardianLocalpart, readRegistration, settingsOf } from '../compose.ts';
import { composePolicyServer } from '../policyServer.ts';

/** All that a trial of a partner's homeserver needs. The running Aceso answers what the partner asks; this speaks in its name. */
export type Tools = {
  readonly partner: string; readonly roomVersion: string; readonly aliasLocalpart: string; readonly policyName: string;
  readonly store: Pick<Store, 'load'>; readonly homeserver: Homeserver; readonly source: RoomSource; readonly trial: PartnerTrial;
  readonly policy: PolicyServer | undefined; readonly isAgreed: boolean; /** Why our homeserver doesn't reach it. */ readonly reachesPolicy: () => Promise<string | undefined>;
  readonly now: () => Millis;
  close(): Promise<void>;
};

const now = (): Millis => as<Millis>(Date.now());
const quiet = (): void => undefined;
const log = { info: quiet, warn: quiet, error: quiet };

export async function toolsFor(config: LoadedConfig, { store, keys }: { readonly store: Store; readonly keys: KeyRing }, partner: string): Promise<Tools> {
  const { policy_server: settings, homeserver: { url, server_name: serverName }, appservice: { prefix } } = config;
  const options: HomeserverOptions = { url, serverName, asToken: readRegistration(config).asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config), names: { guardian: `${config.organisation.name} (guardian)`, courier: config.courier.display_name ?? `${config.organisation.name} results` } };
  const homeserver = createHomeserver(options);
  const file = settings && config.at(settings.keys_file);
  const own = settings && file !== undefined && existsSync(file) ? { keys: openServerKeys(file), settings } : undefined;
  const agreed = createAgreed({ store, config: () => config, settings: () => settingsOf(config), demands: () => configuredDemands(config), now, log });
  // It joins the room and asks; its door is the running Aceso's, so that nobody asks this one.
  const policy = own && composePolicyServer(config, { store, keys, log, metrics: { count: quiet, observe: quiet }, now, guardian: homeserver.guardian, courier: homeserver.courier, homeserver: options, templates: () => new Map(), judge: () => refuse('homeserver-away'), agreed, nudge: quiet });
  await agreed.look();
  // Without keys of its own it asks only what anybody may.
  const identity = own ? { serverName: own.settings.server_name, userId: policy?.server.userId ?? '', signingKeyId: own.keys.signingKeyId, signing: own.keys.signing } : { serverName, userId: '', signingKeyId: 'ed25519:none', signing: { publicKey: '', sign: () => '' } };
  const trial = await tryPartner({ partner, ca: settings?.federation_ca === undefined ? undefined : readAuthority(config.at(settings.federation_ca)), now, ...identity });
  const inspection = createInspection(options);
  return {
    partner, store, homeserver, trial, source: createRoomSource(options), policy: policy?.server, now,
    policyName: settings?.server_name ?? '', roomVersion: config.partners.find(({ server_name: name }) => name === partner)?.room_version ?? '12', aliasLocalpart: `${prefix}probe_${keys.pseudonym('room', partner)}`,
    isAgreed: agreed.servers().includes(partner),
    reachesPolicy: async () => { const reached = await inspection.reaches(settings?.server_name ?? ''); return reached.ok ? undefined : reached.error.message; },
    async close() {
      trial.close();
      await policy?.stop();
    },
  };
}

