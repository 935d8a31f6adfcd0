import { questionOf } from '../../adapters/policy/grid.ts';
import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { RoomDemands } from '../../domain/agreements/terms.ts';
import { inOrder, type RoomTerms } from '../../domain/policy/roomTerms.ts';
import type { RoomKind } from '../../domain/policy/words.ts';
import type { RoomTemplates } from '../../domain/rooms/template.ts';
import { templatesOf } from '../compose.ts';
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
export const configuredDemands = (config: LoadedConfig): RoomDemands => demandsOf(config.homeserver.server_name, policyOf(folderOf(config)), templatesOf(config));

const writersIn = (kind: RoomKind, { roles, judge }: Rules): readonly string[] => roles.filter((role) => judge(questionOf({ role, action: 'send', kind })).allowed);
