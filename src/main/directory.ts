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
    await refuseConflict(store, party, owners);
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

/** Throws `DirectoryConflict` where `bringFromFile` would. */
export async function checkFromFile(store: Store, notes: Notes, parties: readonly Party[]): Promise<void> {
  const owners = new Map<string, Party>();
  for (const party of await newsIn(notes, parties)) await refuseConflict(store, party, owners);
}

async function newsIn(notes: Notes, parties: readonly Party[]): Promise<readonly Party[]> {
  const said = await notes.list(FROM_FILE);
  return parties.filter((party) => said.get(noteOf(party)) !== digestOf(party));
}

const FROM_FILE = 'directory.file/';
const noteOf = ({ id }: Party): string => `${FROM_FILE}${id}`;
const digestOf = (party: Party): string => createHash('sha256').update(JSON.stringify(party)).digest('hex');

/** An identifier leads to one party. Moving it silently to another would send results to the wrong person. `owners` are those brought in with it. */
async function refuseConflict(store: Store, party: Party, owners: Map<string, Party>): Promise<void> {
  const names = partyNames(party);
  const found = await store.lookup(names.map((name) => ({ kind: 'party', name })));
  for (const name of names) {
    const owner = owners.get(name)?.id ?? found.get(name)?.aggregate.id;
    if (owners.has(name) || (owner !== undefined && owner !== party.id)) throw new DirectoryConflict(`${name} already belongs to ${owner ?? ''}. Take it from there first, or enrol under that name.`);
    owners.set(name, party);
  }
}
