import type { LoadedConfig } from '../../config/load.ts';
import type { Standby } from '../../domain/agreements/demands.ts';
import { as, type UserId } from '../../domain/brand.ts';
import type { PolicyIdentity } from '../../domain/rooms/protection.ts';
import type { Ours } from '../../domain/rooms/standard.ts';
import type { RoomPeople, RoomTemplates } from '../../domain/rooms/template.ts';

export function peopleOf({ homeserver, partners, policy_server: policy }: LoadedConfig, guardian: UserId, standbys: readonly Standby[], keepers: readonly UserId[]): RoomPeople {
  return { ...(policy === undefined ? {} : { policyServer: policy.server_name, standbys }), ownServer: homeserver.server_name, guardian, keepers, partnerVersions: Object.fromEntries(partners.flatMap(({ server_name: name, room_version: version }) => (version === undefined ? [] : [[name, version]]))) };
}

/** What rooms are held to, by a configuration. */
export function oursOf({ config, templates }: { readonly config: LoadedConfig; readonly templates: RoomTemplates }, { guardian, courier }: { readonly guardian: UserId; readonly courier: UserId }, standbys: readonly Standby[], keepers: readonly UserId[], identity?: PolicyIdentity): Ours {
  const { policy_server: policy, appservice: { prefix } } = config;
  return { templates, people: peopleOf(config, guardian, standbys, keepers), courier, aliasPrefix: prefix, ...(policy === undefined ? {} : { policyUser: as<UserId>(`@${policy.localpart}:${policy.server_name}`) }), ...(identity === undefined ? {} : { policy: identity }) };
}
