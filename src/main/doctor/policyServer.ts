import { existsSync } from 'node:fs';
import { openServerKeys } from '../../adapters/federation/keyFile.ts';
import type { Inspection } from '../../adapters/matrix/inspect.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';

/** Rooms that are looked at: enough to see a fault, and few enough for a large hospital. */
const ROOMS = 200;

/** The policy server: its keys, reached by the homeserver, named by the rooms that leave the hospital, and asked: which is tried by an event that must be refused. */
export async function lookAtPolicyServer({ policy_server: settings, at }: LoadedConfig, inspection: Inspection): Promise<readonly Finding[]> {
  if (settings === undefined) return [];
  const file = at(settings.keys_file);
  const [keys = fine('policy server\'s keys', file)] = await looked('policy server\'s keys', 'Restore it from a backup: with another one, every room is told a new key.', () => keysIn(file));
  const reached = await inspection.reaches(settings.server_name);
  if (!reached.ok) return [keys, broken('policy server', `the homeserver doesn't reach ${settings.server_name}: ${reached.error.message}`, 'Nobody can send in rooms under it. Does the server run; do DNS, certificate, `delegate` and port lead to policy_server.host and port?')];
  const rooms = await inspection.rooms(ROOMS);
  if (!rooms.ok) return [keys, warn('policy server', rooms.error.message, 'Its rooms could not be looked at.')];
  const leaving = rooms.value.filter(({ federated }) => federated);
  const under = leaving.filter(({ policyServer }) => policyServer === settings.server_name);
  const reach = fine('policy server', `the homeserver reaches ${settings.server_name}`);
  const named = under.length === leaving.length ? fine('rooms under the policy server', `${under.length} of ${leaving.length}`) : broken('rooms under the policy server', `${under.length} of ${leaving.length} rooms that leave the hospital`, 'In the others clear text federates before it is taken out. The log says why (`policy.not-in-force`); a restart asks for those never asked for.');
  return [keys, reach, named, ...(under[0] === undefined ? [] : [await asked(inspection, under[0].roomId)])];
}

function keysIn(file: string): readonly Finding[] {
  if (!existsSync(file)) return [warn('policy server\'s keys', `${file} is not there`, 'It is made by the first `aceso start`; if there was one, restore it.')];
  openServerKeys(file);
  return [fine('policy server\'s keys', file)];
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
