import type { UserId } from '../brand.ts';
import type { GovernedRoom } from '../governed/governed.ts';
import { serversOf } from '../people/party.ts';
import type { Standard, StateOfRoom } from './assess.ts';
import type { PolicyIdentity } from './protection.ts';
import type { RoomState } from './room.ts';
import { planFor, standingBy, templateFor, type RoomPeople, type RoomTemplates } from './template.ts';

/** A room of ours, as Aceso knows it. */
export type OurRoom = { readonly kind: 'room'; readonly state: RoomState } | { readonly kind: 'governed'; readonly state: GovernedRoom };

export type Ours = { readonly templates: RoomTemplates; readonly people: RoomPeople; readonly courier: UserId; /** The policy server's user. */ readonly policyUser?: UserId; /** The same as rooms name it, where its key is at hand. */ readonly policy?: PolicyIdentity; /** Beginning of every alias of ours. */ readonly aliasPrefix: string };

/** What a room that is there is held to: its template as it is now, in the version that the room has. */
export function standardFor(room: OurRoom, state: StateOfRoom, { templates, people, courier, policyUser, policy, aliasPrefix }: Ours): Standard {
  const { room_version: version, 'm.federate': federates } = state.find(({ type }) => type === 'm.room.create')?.content ?? {};
  const own = [people.guardian, ...(policyUser === undefined ? [] : [policyUser])];
  const as = { roomVersion: typeof version === 'string' ? version : '1' };
  // Whatever we think we made: no homeserver takes the access list off a room that federates.
  const made = federates === false ? 'local' : 'federated';
  const servers = room.kind === 'room' && room.state.servers.length === 0 ? serversOf(room.state.party) : room.state.servers;
  // By whom the room is for, not by whom it once admitted: where a partner's last person has gone, its homeserver gets nothing more.
  const standbys = made === 'local' ? [] : standingBy(room.kind === 'room' ? serversOf(room.state.party) : servers, people);
  // Its guardian first: through it the policy server's own homeserver is in the room, by which it joins.
  const standBy = standbys.flatMap(({ theirs }) => [theirs.guardian, theirs.policyServer.userId]);
  const asMade = { ...people, standbys, partnerVersions: {} };
  const { keepers = [] } = people;
  const standing = { standBy, keepers, aliasPrefix, ...(policy === undefined ? {} : { policy }) };
  switch (room.kind) {
    case 'room': return {
      plan: planFor({ ...templateFor(templates, 'results'), ...as }, { servers, speakers: [], made }, asMade),
      federation: templateFor(templates, 'results').federation, guardian: people.guardian, mayBe: [...own, ...standBy, courier, ...room.state.party.members], strangers: 'told', ...standing,
    };
    case 'governed': return {
      plan: planFor({ ...templateFor(templates, room.state.template), ...as }, { ...room.state, made }, asMade),
      federation: templateFor(templates, room.state.template).federation, guardian: people.guardian, mayBe: [...own, ...standBy, ...room.state.admitted], strangers: 'removed', ...standing,
    };
  }
}
