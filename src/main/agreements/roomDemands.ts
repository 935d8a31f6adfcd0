import { existsSync } from 'node:fs';
import { openServerKeys } from '../../adapters/federation/keyFile.ts';
import { questionOf } from '../../adapters/policy/grid.ts';
import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { Keepers, RoomDemands } from '../../domain/agreements/terms.ts';
import { as, type ServerName, type UserId } from '../../domain/brand.ts';
import { inOrder, type RoomTerms } from '../../domain/policy/roomTerms.ts';
import type { RoomKind } from '../../domain/policy/words.ts';
import type { RoomTemplates } from '../../domain/rooms/template.ts';
import { courierLocalpart, guardianLocalpart, templatesOf } from '../compose.ts';
import { folderOf, policyOf } from '../policy/folder.ts';

type Rules = Pick<LoadedPolicy, 'revision' | 'roles' | 'judge'>;

/** What the hospital asks of each of its rooms: who may write in one, the policy says. */
export const ownTerms = (templates: RoomTemplates): RoomTerms =>
  Object.fromEntries([...templates].map(([kind, { reactions = [], removals = 'own' }]) => [kind, { reactions, removals }]));

/** What it asks of rooms that it shares, as its agreements state it: who may write is said by roles there, for somebody of that role who is as they should be. */
export function demandsOf(server: string, policy: Rules, templates: RoomTemplates): RoomDemands {
  const shared = [...templates].filter(([, { federation }]) => federation === 'agreed');
  return { server, policy: policy.revision, kinds: inOrder(Object.fromEntries(shared.map(([kind, { reactions = [], removals = 'own' }]) => [kind, { reactions, removals, senders: writersIn(kind, policy) }]))) };
}

/** The same for the same rules and templates: asked of the rules once, since it is looked at all the time. */
export function createDemands(server: string): (policy: Rules, templates: RoomTemplates) => RoomDemands {
  let last: { readonly policy: Rules; readonly templates: RoomTemplates; readonly demands: RoomDemands } | undefined;
  return (policy, templates) => {
    if (last?.policy !== policy || last.templates !== templates) last = { policy, templates, demands: demandsOf(server, policy, templates) };
    return last.demands;
  };
}

/** By the configuration as it is now. Throws `ConfigError` when rules or templates can't be used. */
export const configuredDemands = (config: LoadedConfig): RoomDemands => withKeepers(demandsOf(config.homeserver.server_name, policyOf(folderOf(config)), templatesOf(config)), keepersOf(config));

export const withKeepers = (demands: RoomDemands, keepers: Keepers | undefined): RoomDemands => (keepers === undefined ? demands : { ...demands, keepers });

/** Who speaks for this hospital in rooms; undefined without a policy server, or while that has no keys yet. */
export function keepersOf(config: LoadedConfig): Keepers | undefined {
  const { policy_server: settings, homeserver: { server_name: server }, at } = config;
  if (settings === undefined || !existsSync(at(settings.keys_file))) return undefined;
  const { server_name: serverName, localpart, keys_file: file } = settings;
  return {
    guardian: as<UserId>(`@${guardianLocalpart(config)}:${server}`), courier: as<UserId>(`@${courierLocalpart(config)}:${server}`),
    policyServer: { serverName: as<ServerName>(serverName), userId: as<UserId>(`@${localpart}:${serverName}`), publicKey: openServerKeys(at(file)).policy.publicKey },
  };
}

const writersIn = (kind: RoomKind, { roles, judge }: Rules): readonly string[] => roles.filter((role) => judge(questionOf({ role, action: 'send', kind })).allowed);
