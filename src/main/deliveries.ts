import { randomUUID } from 'node:crypto';
import { as } from '../domain/brand.ts';
import type { DeliveryState } from '../domain/delivery/delivery.ts';
import type { FactBody } from '../domain/fact.ts';
import type { Party } from '../domain/people/party.ts';
import type { Store } from '../ports/store.ts';
import { age, instant, table, type Printed } from './print.ts';

/** A delivery as people and programs see it: everything but what it says. */
const view = ({ content: _, history, files, ...delivery }: DeliveryState): Readonly<Record<string, unknown>> => ({
  ...delivery, party: delivery.party?.id, recipient: delivery.party?.name, ...(files ? { files: files.map(({ name, eventId, failed }) => ({ name, eventId, failed })) } : {}), history,
});

const membershipOf = ({ members }: DeliveryState): string => [...new Set(Object.values(members))].join(', ');

export async function listDeliveries(store: Store, limit: number): Promise<Printed> {
  const deliveries = await store.deliveries({ limit });
  return {
    json: deliveries.map(view),
    text: table(['DELIVERY', 'STATE', 'RECIPIENT', 'MEMBERSHIP', 'ACCEPTED', 'URGENCY'], deliveries.map((each) => [each.id, stateOf(each), each.party?.name ?? '–', membershipOf(each), instant(each.acceptedAt), each.critical ? 'critical' : 'routine']), 'No deliveries yet.'),
  };
}

const stateOf = ({ phase, held }: DeliveryState): string => (held ? `${phase}, held` : phase);

export async function showDelivery(store: Store, id: string): Promise<Printed> {
  const delivery = await one(store, id);
  const { held } = delivery;
  const lines = [
    `Delivery   ${delivery.id}`, `State      ${stateOf(delivery)}`, `Recipient  ${delivery.party ? `${delivery.party.name} (${delivery.party.members.join(', ')}), found as ${delivery.rule ?? '?'}` : 'nobody yet'}`,
    `Urgency    ${delivery.critical ? 'critical' : 'routine'} (${delivery.news})`, ...(delivery.supersedes ? [`Supersedes ${delivery.supersedes}`] : []), ...(delivery.roomId ? [`Room       ${delivery.roomId}`] : []), ...(delivery.eventId ? [`Event      ${delivery.eventId}`] : []),
    ...(delivery.files ?? []).map(({ name, eventId, failed }) => `File       ${name}: ${eventId ?? (failed === undefined ? 'not sent yet' : `can't be sent [${failed}]`)}`),
    ...Object.entries(delivery.members).map(([user, membership]) => `Member     ${user}: ${membership}`),
    ...(held ? [`Held       ${held.reason} [${held.code}]`, `           for ${age(Date.now() - held.since)}, owned by ${held.owner}`] : []),
    '', table(['WHEN', 'WHAT', 'BY', 'PROOF'], delivery.history.map(({ at, what, by, proof }) => [instant(at), what, by ?? '', proof ?? '']), 'No history.'),
  ];
  return { json: view(delivery), text: lines.join('\n') };
}

/** What can't proceed: deliveries on hold, and facts whose decision failed. */
export async function listHeld(store: Store): Promise<Printed> {
  const [deliveries, deferred] = await Promise.all([store.deliveries({ held: true, limit: 10_000 }), store.deferred()]);
  const rows = deliveries.flatMap((each) => (each.held ? [[each.id, each.held.code, each.party?.name ?? '–', age(Date.now() - each.held.since), each.held.owner, each.held.reason]] : []));
  const failed = deferred.map(({ id, type, code, attempts, at }) => [id, `decision failed: ${code}`, '–', age(Date.now() - at), 'Aceso\'s operator', `${type}, tried ${attempts} times`]);
  return {
    json: { deliveries: deliveries.map(view), facts: deferred },
    text: table(['ID', 'REASON', 'RECIPIENT', 'FOR', 'OWNER', 'WHAT'], [...rows, ...failed], 'Nothing is held.'),
  };
}

export async function retryHeld(store: Store, ids: readonly string[], by: string): Promise<Printed> {
  const deliveries = ids.length > 0 ? await Promise.all(ids.map((id) => one(store, id))) : await store.deliveries({ held: true, limit: 10_000 });
  await Promise.all(deliveries.map(({ id }) => command(store, id, { type: 'operator.retry', by })));
  return { json: { retried: deliveries.map(({ id }) => id) }, text: deliveries.length === 0 ? 'Nothing is held.' : `Asked to try again: ${deliveries.map(({ id }) => id).join(', ')}. See \`aceso held list\`.` };
}

export async function closeHeld(store: Store, id: string, by: string): Promise<Printed> {
  const delivery = await one(store, id);
  if (delivery.held?.code !== 'reply-unreadable' && delivery.held?.code !== 'agreement-ended') throw new Error(`${delivery.id} is held neither for an answer that can't be read, nor for an agreement that ended. What else is held ends when what it waits for happens, or with \`aceso held retry\` or \`assign\`.`);
  await command(store, delivery.id, { type: 'operator.close', by });
  return { json: { closed: delivery.id }, text: `${delivery.id} is closed: ${by} answers for it.` };
}

export async function assignHeld(store: Store, id: string, partyId: string, by: string): Promise<Printed> {
  const delivery = await one(store, id);
  if (delivery.party && delivery.keepsRoom !== 'open') throw new Error(`${delivery.id} is addressed to ${delivery.party.name} already; only a delivery without a recipient, or a critical one whose agreement ended, can be assigned.`);
  if (delivery.supersededBy !== undefined) throw new Error(`A correction took the place of ${delivery.id}: assign ${delivery.supersededBy}.`);
  const party = (await store.load({ kind: 'party', id: partyId }))?.state as Party | undefined;
  if (!party) throw new Error(`${partyId} is not in the directory. See \`aceso people list\`, or enrol them first.`);
  await command(store, delivery.id, { type: 'operator.assign', by, party });
  return { json: { assigned: delivery.id, to: party.id }, text: `${delivery.id} is assigned to ${party.name}.` };
}

const command = (store: Store, id: string, body: FactBody): Promise<unknown> => store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: 'delivery', id }, at: as(Date.now()), body }]);

async function one(store: Store, id: string): Promise<DeliveryState> {
  const [found, other] = await store.delivery(id);
  if (!found) throw new Error(`There is no delivery ${id}. See \`aceso deliveries list\`.`);
  if (other && found.id !== id) throw new Error(`Several deliveries begin with ${id}: give more of it.`);
  return found;
}
