import { existsSync } from 'node:fs';
import { openServerKeys } from '../../adapters/federation/keyFile.ts';
import type { InspectedRoom, Inspection } from '../../adapters/matrix/inspect.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { standbyOf } from '../../domain/agreements/demands.ts';
import { handedRooms } from '../../domain/agreements/handedRooms.ts';
import { as } from '../../domain/brand.ts';
import { openEdge, type PolicyIdentity } from '../../domain/rooms/protection.ts';
import { genuineRegisters } from '../agreements/register.ts';
import { locationOf, openStore } from '../compose.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';

/** Rooms that are looked at: enough to see a fault, and few enough for a large hospital. */
const ROOMS = 200;

/** The policy server: its keys, reached by the homeserver, named by the rooms that leave the hospital, and asked: which is tried by an event that must be refused. */
export async function lookAtPolicyServer(config: LoadedConfig, inspection: Inspection): Promise<readonly Finding[]> {
  const { policy_server: settings, at } = config;
  if (settings === undefined) return [];
  const file = at(settings.keys_file);
  const keys = await looked(KEYS, 'Restore it from a backup: with another one, every room is told a new key.', () => keysIn(file));
  const reached = await inspection.reaches(settings.server_name);
  if (!reached.ok) return [...keys, broken('policy server', `the homeserver doesn't reach ${settings.server_name}: ${reached.error.message}`, 'Nobody can send in rooms that name it. Does the server run; do DNS, certificate, `delegate` and port lead to policy_server.host and port?')];
  const reach = fine('policy server', `the homeserver reaches ${settings.server_name}`);
  // Without its keys, what rooms name can't be compared.
  if (keys.some(({ level }) => level !== 'ok')) return [...keys, reach];
  const policy: PolicyIdentity = { serverName: as(settings.server_name), userId: as(`@${settings.localpart}:${settings.server_name}`), publicKey: openServerKeys(file).policy.publicKey };
  const rooms = await inspection.rooms(ROOMS, policy.userId);
  if (!rooms.ok) return [...keys, warn('policy server', rooms.error.message, 'Its rooms could not be looked at.')];
  const { found, under } = roomsUnder(rooms.value, policy, await judgingElsewhere(config));
  return [...keys, reach, ...found, ...(under === undefined ? [] : [await asked(inspection, under)])];
}

const KEYS = 'policy server\'s keys';

const WHY = { policy: 'another policy server is named, to which they weren\'t handed, or none', member: 'its user is not in the room', start: 'it was never put under it, or names another key' } as const;

/** The policy servers of partners to which rooms were handed. Where the database can't be read, another finding says so. */
async function judgingElsewhere(config: LoadedConfig): Promise<Elsewhere> {
  const location = locationOf(config);
  if (location.kind === 'sqlite' && !existsSync(location.file)) return new Map();
  try {
    const { store } = await openStore(config, 'as-is');
    try {
      const undecided = await store.undecidedOf('agreement');
      const registers = await genuineRegisters(store, config);
      const judges = new Map(registers.flatMap((register) => standbyOf(register, as(Date.now())) ?? []).map(({ partner, theirs }) => [partner, theirs.policyServer.serverName]));
      return new Map(handedRooms(registers, undecided).flatMap(({ roomId, partner }) => { const name = judges.get(partner); return name === undefined ? [] : [[roomId, name] as const]; }));
    } finally {
      await store.close();
    }
  } catch {
    return new Map();
  }
}

type Elsewhere = ReadonlyMap<string, string>;

/**
 * How many of the rooms that leave the hospital are under it: they name it with its own key, and its user is in them; else homeservers don't ask. `under`: one of them.
 * Those that a partner's judges, as somebody asked, are told apart.
 */
export function roomsUnder(rooms: readonly InspectedRoom[], policy: PolicyIdentity, elsewhere: Elsewhere): { readonly found: readonly Finding[]; readonly under?: string } {
  const what = 'rooms under the policy server';
  const isHanded = ({ roomId, state }: InspectedRoom): boolean => elsewhere.has(roomId) && state.some(({ type, content }) => type === 'm.room.policy' && content['via'] === elsewhere.get(roomId));
  const handed = rooms.filter(isHanded);
  const leaving = rooms.filter((room) => room.federated && !isHanded(room)).map(({ roomId, state }) => ({ roomId, edge: state.some(({ type }) => type === 'm.room.create') ? openEdge(state, policy) : ('start' as const) }));
  const open = leaving.flatMap(({ edge }) => (edge === undefined ? [] : [edge]));
  const under = leaving.find(({ edge }) => edge === undefined)?.roomId;
  const counted = `${leaving.length - open.length} of ${leaving.length}`;
  const why = (['policy', 'member', 'start'] as const).map((edge) => ({ edge, rooms: open.filter((each) => each === edge).length })).filter(({ rooms: many }) => many > 0);
  const found = open.length === 0 ? fine(what, counted)
    : broken(what, `${counted} rooms that leave the hospital; ${why.map(({ edge, rooms: many }) => `${many}: ${WHY[edge]}`).join('; ')}`, 'In the others clear text federates before it is taken out. The log says why (`policy.not-in-force`); a restart asks for those never asked for.');
  const judges = [...new Set(handed.map(({ roomId }) => elsewhere.get(roomId)))].join(', ');
  const told = handed.length === 0 ? [] : [warn('rooms handed over', `${handed.length}: ${judges} judges there`, 'Once the own policy server is back: `aceso policy-server take-back --all --reason recovered`.')];
  return { found: [found, ...told], ...(under === undefined ? {} : { under }) };
}

function keysIn(file: string): readonly Finding[] {
  if (!existsSync(file)) return [warn(KEYS, `${file} is not there`, 'It is made by the first `aceso start`; if there was one, restore it.')];
  openServerKeys(file);
  return [fine(KEYS, file)];
}

async function asked(inspection: Inspection, roomId: string): Promise<Finding> {
  const answer = await inspection.probePolicyServer(roomId);
  const what = 'homeserver asks the policy server';
  switch (answer) {
    case 'asks': return fine(what, 'yes: what must be refused was refused by it');
    case 'does-not-ask': return broken(what, 'no: an event that must be refused was taken', 'The homeserver doesn\'t know policy servers (Synapse from 1.163 does), or the room isn\'t in order. An empty event `org.aceso.probe` was left in it.');
    default: return broken(what, `not seen: ${answer}`, 'Does the server run? Until it answers, nobody can send in rooms under it.');
  }
}
