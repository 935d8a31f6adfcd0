import type { EventId, RoomId } from '../../domain/brand.ts';
import { powerLevels } from '../../domain/rooms/template.ts';
import type { RoomToCreate } from '../../ports/homeserver.ts';
import type { Tools } from './tools.ts';

/** State of the guardian's that is redacted. */
export const PROBED = 'org.aceso.probed';

/** A room without anything to protect, and therefore not encrypted: what is tried in it must be seen. */
export function probeRoom({ homeserver, policyName, partner, roomVersion, aliasLocalpart }: Tools): RoomToCreate {
  const levels = powerLevels(roomVersion, homeserver.guardian);
  const servers = [homeserver.serverName, policyName, partner].flatMap((server) => [server.replace(/:\d+$/u, ''), server]);
  const state = (type: string, content: Readonly<Record<string, unknown>>): RoomToCreate['initialState'][number] => ({ type, stateKey: '', content });
  return {
    aliasLocalpart, version: roomVersion, federated: true, name: 'Aceso probe', topic: 'Made to try homeservers. Never write about a patient here.',
    initialState: [
      state('m.room.join_rules', { join_rule: 'invite' }), state('m.room.history_visibility', { history_visibility: 'joined' }), state('m.room.guest_access', { guest_access: 'forbidden' }),
      state('m.room.server_acl', { allow: [...new Set(servers)].sort(), deny: [], allow_ip_literals: false }), state('org.aceso.template', { id: 'probe' }),
    ],
    powerLevels: { ...levels, events: { ...(levels['events'] as object), 'org.aceso.probe': 0 } },
  };
}

/** The events by which the policy server's user may send (server-server API §"Auth events selection"). */
export async function standingOf({ source, policy, roomVersion }: Tools, roomId: RoomId): Promise<readonly EventId[]> {
  const state = await source.state(roomId);
  if (!state.ok) return [];
  const isNeeded = (type: string, key: string | undefined): boolean => (type === 'm.room.create' ? Number(roomVersion) < 12 : type === 'm.room.power_levels' || (type === 'm.room.member' && key === policy?.userId));
  return state.value.filter(({ type, state_key: key }) => isNeeded(type, key)).map(({ event_id: id }) => id);
}
