import type { Command } from 'commander';
import type { LoadedConfig } from '../../config/load.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { Store } from '../../ports/store.ts';
import { patientGiven } from '../patient.ts';
import type { Printed } from '../print.ts';
import { checkRooms, createTalk, listRooms, repairRoom, showRoom } from './rooms.ts';
import { upgradeRoom } from './upgrade.ts';

export type RoomsParts = { readonly withStore: (run: (store: Store, config: LoadedConfig, notes: unknown, keys: KeyRing) => Promise<Printed>) => Promise<void>; readonly operator: () => string };

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Rooms in which people talk, and every room held to its template. */
export function addRooms(program: Command, { withStore, operator }: RoomsParts): void {
  const rooms = program.command('rooms').description('rooms made from templates, and whether they are as they must be');
  rooms.command('list', { isDefault: true }).description('every room of Aceso').action(() => withStore(listRooms));
  rooms.command('show').description('one room: who is in it, and who isn\'t let in and why').argument('<room>', 'key, party or room id').action((name: string) => withStore((store) => showRoom(store, name)));
  rooms.command('create').description('have the guardian make a room in which people talk; again: invite who is not in it').argument('<template>', 'care-team, patient, consult, on-call, shift, broadcast or direct')
    .requiredOption('--member <user>', 'Matrix id (repeat it for several)', collect)
    .option('--key <key>', 'a name of your own for it, never a patient\'s; from template and members when left out')
    .option('--in-care', 'you say that the patient is in the care of all of them: rooms of patients need it, and it is audited')
    .option('--patient', 'the room is about one patient, whose name is read from standard input (system|value, as results have it): only those are in it who have them in care by a source\'s care team, and only for as long')
    .action((template: string, { patient, ...options }: { readonly member: readonly string[]; readonly key?: string; readonly inCare?: true; readonly patient?: true }) => withStore((store, config, _, keys) => createTalk(store, config, template, { ...options, ...(patient === true ? { patient: patientGiven(keys) } : {}), by: operator() })));
  rooms.command('check').description('read rooms at the homeserver and say what isn\'t as template and policy would have it; exit 1 when something isn\'t').argument('[room]', 'key, party or room id; all when left out')
    .action((name: string | undefined) => withStore(async (store, config) => {
      const { failed, ...printed } = await checkRooms(store, config, name);
      if (failed) process.exitCode = 1;
      return printed;
    }));
  rooms.command('upgrade').description('put another room of a newer version in the place of one in which people talk; again, while it is made: the same').argument('<room>', 'key or room id').option('--to <version>', 'room version; the template\'s when left out').option('--dry-run', 'only say what would be done')
    .action((name: string, { to, dryRun }: { readonly to?: string; readonly dryRun?: true }) => withStore((store, config) => upgradeRoom(store, config, name, { ...(to === undefined ? {} : { to }), mode: dryRun === true ? 'dry-run' : 'do', by: operator() })));
  rooms.command('repair').description('put a room back to what its template and the policy say').argument('<room>', 'key, party or room id').option('--dry-run', 'only say what would be done')
    .action((name: string, { dryRun }: { readonly dryRun?: true }) => withStore((store, config) => repairRoom(store, config, name, dryRun === true ? 'dry-run' : 'do', operator())));
}
