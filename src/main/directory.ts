import { createHash, randomUUID } from 'node:crypto';
import { as } from '../domain/brand.ts';
import { byHand } from '../domain/people/fed.ts';
import { partyNames, type Party } from '../domain/people/party.ts';
import { namesOfStaff, staffId, type Staff } from '../domain/people/staff.ts';
import type { Notes } from '../ports/notes.ts';
import type { IncomingFact, Store } from '../ports/store.ts';

/** Two would be found by one name. */
export class DirectoryConflict extends Error {}

/**
 * Brings parties into the directory, all or none; those that are there already, the same, are left alone unless their room is wanted now.
 * Gives the ids of the changed.
 */
export async function bringParties(store: Store, parties: readonly Party[], by: string, room: 'now' | 'on-demand'): Promise<readonly string[]> {
  const facts: IncomingFact[] = [];
  const owners = new Map<string, Party>();
  const unmatched = parties.length === 0 ? [] : ((await store.states('staff')) as readonly Staff[]).filter(({ party }) => party === undefined);
  for (const party of parties) {
    const conflict = await conflictOf(store, party, owners);
    if (conflict !== undefined) throw new DirectoryConflict(conflict);
    const known = (await store.load({ kind: 'party', id: party.id }))?.state as Party | undefined;
    if (room === 'on-demand' && known !== undefined && JSON.stringify(byHand(known)) === JSON.stringify(party)) continue;
    const waiting = unmatched.filter((staff) => namesOfStaff(staff).some((name) => partyNames(party).includes(name))).map(staffId);
    facts.push({ source: 'operator', key: randomUUID(), aggregate: { kind: 'party', id: party.id }, at: as(Date.now()), body: { type: 'party.changed', party, by, room, ...(waiting.length === 0 ? {} : { waiting }) } });
  }
  await store.receive(facts);
  return facts.map(({ aggregate }) => aggregate.id);
}

/**
 * Brings in what the file says that it didn't say before. What changed last counts: an entry that stands as it stood is not brought in again, so that
 * what was done by command since stays done. Gives the ids of the changed.
 */
export async function bringFromFile(store: Store, notes: Notes, parties: readonly Party[]): Promise<readonly string[]> {
  const news = await newsIn(notes, parties);
  const brought = await bringParties(store, news, 'configuration', 'on-demand');
  for (const party of news) await notes.write(noteOf(party), digestOf(party));
  return brought;
}

/**
 * As `bringFromFile`, at a start: an entry with a name that leads to somebody else by now, by a source's word, keeps nobody from working. It is held, the directory stays as it is for both, and
 * the next start or reload tries it again. `held` are the ids of such; why, `conflictsIn` says.
 */
export async function bringAtStart(store: Store, notes: Notes, parties: readonly Party[]): Promise<{ readonly brought: readonly string[]; readonly held: readonly string[] }> {
  const conflicts = await conflictsIn(store, notes, parties);
  const brought = await bringFromFile(store, notes, parties.filter(({ id }) => !conflicts.has(id)));
  return { brought, held: [...conflicts.keys()] };
}

/** Throws `DirectoryConflict` where `bringFromFile` would. */
export async function checkFromFile(store: Store, notes: Notes, parties: readonly Party[]): Promise<void> {
  const [conflict] = (await conflictsIn(store, notes, parties)).values();
  if (conflict !== undefined) throw new DirectoryConflict(conflict);
}

/** Entries of the file that the directory can't take, by id, and why. */
export async function conflictsIn(store: Pick<Store, 'lookup'>, notes: Pick<Notes, 'list'>, parties: readonly Party[]): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, Party>();
  const found = new Map<string, string>();
  for (const party of await newsIn(notes, parties)) {
    const conflict = await conflictOf(store, party, owners);
    if (conflict !== undefined) found.set(party.id, conflict);
  }
  return found;
}

async function newsIn(notes: Pick<Notes, 'list'>, parties: readonly Party[]): Promise<readonly Party[]> {
  const said = await notes.list(FROM_FILE);
  return parties.filter((party) => said.get(noteOf(party)) !== digestOf(party));
}

const FROM_FILE = 'directory.file/';
const noteOf = ({ id }: Party): string => `${FROM_FILE}${id}`;
const digestOf = (party: Party): string => createHash('sha256').update(JSON.stringify(party)).digest('hex');

/** An identifier leads to one party. Moving it silently to another would send results to the wrong person. `owners` are those brought in with it, this one too if nothing is against it. */
async function conflictOf(store: Pick<Store, 'lookup'>, party: Party, owners: Map<string, Party>): Promise<string | undefined> {
  const names = partyNames(party);
  const found = await store.lookup(names.map((name) => ({ kind: 'party', name })));
  for (const [index, name] of names.entries()) {
    const owner = owners.get(name)?.id ?? found.get(name)?.aggregate.id;
    if (owners.has(name) || names.indexOf(name) !== index || (owner !== undefined && owner !== party.id)) return `${name} already belongs to ${owner ?? party.id}. Take it from there first, or enrol under that name.`;
  }
  for (const name of names) owners.set(name, party);
  return undefined;
}
