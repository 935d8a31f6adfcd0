import { randomUUID } from 'node:crypto';
import { as } from '../domain/brand.ts';
import { partyNames, type Party } from '../domain/people/party.ts';
import type { IncomingFact, Store } from '../ports/store.ts';

/** Brings parties into the directory; those that are there already, the same, are left alone unless their room is wanted now. Gives the ids of the changed. */
export async function bringParties(store: Store, parties: readonly Party[], by: string, room: 'now' | 'on-demand'): Promise<readonly string[]> {
  const facts: IncomingFact[] = [];
  for (const party of parties) {
    await refuseConflict(store, party);
    const known = (await store.load({ kind: 'party', id: party.id }))?.state;
    if (room === 'on-demand' && JSON.stringify(known) === JSON.stringify(party)) continue;
    facts.push({ source: 'operator', key: randomUUID(), aggregate: { kind: 'party', id: party.id }, at: as(Date.now()), body: { type: 'party.changed', party, by, room } });
  }
  await store.receive(facts);
  return facts.map(({ aggregate }) => aggregate.id);
}

/** An identifier leads to one party. Moving it silently to another would send results to the wrong person. */
async function refuseConflict(store: Store, party: Party): Promise<void> {
  const found = await store.lookup(partyNames(party).map((name) => ({ kind: 'party', name })));
  for (const [name, { aggregate }] of found) {
    if (aggregate.id !== party.id) throw new Error(`${name} already belongs to ${aggregate.id}. Take it from there first, or enrol under that name.`);
  }
}
