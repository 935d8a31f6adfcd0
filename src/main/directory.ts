import { randomUUID } from 'node:crypto';
import { as } from '../domain/brand.ts';
import { partyNames, type Party } from '../domain/people/party.ts';
import type { IncomingFact, Store } from '../ports/store.ts';

/**
 * Brings parties into the directory, all or none; those that are there already, the same, are left alone unless their room is wanted now.
 * Gives the ids of the changed.
 */
export async function bringParties(store: Store, parties: readonly Party[], by: string, room: 'now' | 'on-demand'): Promise<readonly string[]> {
  const facts: IncomingFact[] = [];
  const owners = new Map<string, Party>();
  for (const party of parties) {
    await refuseConflict(store, party, owners);
    const known = (await store.load({ kind: 'party', id: party.id }))?.state;
    if (room === 'on-demand' && JSON.stringify(known) === JSON.stringify(party)) continue;
    facts.push({ source: 'operator', key: randomUUID(), aggregate: { kind: 'party', id: party.id }, at: as(Date.now()), body: { type: 'party.changed', party, by, room } });
  }
  await store.receive(facts);
  return facts.map(({ aggregate }) => aggregate.id);
}

/** An identifier leads to one party. Moving it silently to another would send results to the wrong person. `owners` are those brought in with it. */
async function refuseConflict(store: Store, party: Party, owners: Map<string, Party>): Promise<void> {
  const names = partyNames(party);
  const found = await store.lookup(names.map((name) => ({ kind: 'party', name })));
  for (const name of names) {
    const owner = owners.get(name)?.id ?? found.get(name)?.aggregate.id;
    if (owners.has(name) || (owner !== undefined && owner !== party.id)) throw new Error(`${name} already belongs to ${owner ?? ''}. Take it from there first, or enrol under that name.`);
    owners.set(name, party);
  }
}
