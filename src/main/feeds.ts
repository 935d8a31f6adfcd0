import { createHash, randomUUID } from 'node:crypto';
import { as } from '../domain/brand.ts';
import type { Settings } from '../domain/decision.ts';
import { byHand } from '../domain/people/fed.ts';
import type { Party } from '../domain/people/party.ts';
import { staffId, type Staff } from '../domain/people/staff.ts';
import { RECIPIENT } from '../domain/policy/words.ts';
import type { Notes } from '../ports/notes.ts';
import type { IncomingFact, Store } from '../ports/store.ts';
import { table, type Printed } from './print.ts';

/** By which meanings of sources' words it was asked last. */
const MEANT = 'directory.feeds';

export type Meanings = (settings: Settings) => Promise<void>;

/**
 * Has what sources said of people asked again when their words mean something else by now. Each worker asks once it goes by the new meaning, so that the last of them asks when all do.
 * Cut short, it is done again.
 */
export function createMeanings(store: Pick<Store, 'states' | 'receive'>, notes: Pick<Notes, 'read' | 'write'>): Meanings {
  let last: string | undefined;
  return async ({ feeds = new Map() }) => {
    const digest = createHash('sha256').update(JSON.stringify([...feeds])).digest('hex');
    if (digest === (last ?? (await notes.read(MEANT)))) { last = digest; return; }
    const staff = (await store.states('staff')) as readonly Staff[];
    await store.receive(staff.map((each): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'staff', id: staffId(each) }, at: as(Date.now()), body: { type: 'staff.asked', by: 'configuration' } })));
    await notes.write(MEANT, digest);
    last = digest;
  };
}

const HAND = 'file or command';

/** One person, with who says what of them. */
export async function showPerson(store: Store, id: string): Promise<Printed> {
  const party = (await store.load({ kind: 'party', id }))?.state as Party | undefined;
  if (!party) throw new Error(`${id} is not in the directory. See \`aceso people list\`.`);
  const said = ((await store.states('staff')) as readonly Staff[]).filter((each) => each.party === party.id);
  const fields = fieldsOf(party);
  return {
    json: { ...party, fields, said: said.map(viewOf) },
    text: [
      `${party.name} (${party.id}), ${party.members.join(', ')}${party.standing?.left ? ': HAS LEFT' : ''}`,
      table(['FIELD', 'VALUE', 'SAID BY'], fields.map(({ field, value, by }) => [field, value, by]), ''),
      ...(said.length === 0 ? [] : ['', table(['SOURCE', 'THEIR NAME THERE', 'POSTS', 'CODES WITHOUT A ROLE', 'IN DOUBT'], said.map((each) => [each.source, each.subject, Object.keys(each.posts).join(', '), each.told?.unknown?.join(', ') ?? '', each.why ?? '']), '')]),
    ].join('\n'),
  };
}

/** What a source said of somebody counts no more, until it says something new of them. */
export async function forget(store: Store, id: string, source: string, by: string): Promise<Printed> {
  const said = ((await store.states('staff')) as readonly Staff[]).filter((each) => each.party === id && each.source === source);
  if (said.length === 0) throw new Error(`${source} says nothing of ${id}. \`aceso people show ${id}\` says who does.`);
  await store.receive(said.map((each): IncomingFact => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'staff', id: staffId(each) }, at: as(Date.now()), body: { type: 'staff.forgotten', by } })));
  return { json: { forgotten: said.map(({ subject }) => subject), party: id }, text: `What ${source} said of ${id} counts no more, until it says something new of them. Correct it there too. \`aceso people show ${id}\` says what counts now.` };
}

type Field = { readonly field: string; readonly value: string; readonly by: string };

function fieldsOf(party: Party): readonly Field[] {
  const { standing, kind } = party;
  const { standing: hand, identifiers } = byHand(party);
  const fed = Object.values(party.fed ?? {});
  const sayers = (says: (each: (typeof fed)[number]) => boolean): string => [...new Set(fed.filter(says).map(({ source }) => source))].join(', ');
  const sources = { roles: sayers(({ roles }) => roles !== undefined), organisation: fed.findLast((each) => each.organisation !== undefined)?.source ?? '', department: fed.findLast((each) => each.department !== undefined)?.source ?? '' };
  const one = (field: string, value: string | undefined, by: string): readonly Field[] => (value === undefined ? [] : [{ field, value, by: by || HAND }]);
  return [
    ...(kind === 'team' ? [] : one('roles', standing?.left ? 'none: they have left' : standing?.roles.join(', ') || RECIPIENT, standing?.left ? sayers(({ active }) => !active) : sources.roles)),
    ...one('organisation', standing?.organisation, sources.organisation), ...one('department', standing?.department, sources.department),
    ...one('trained', hand?.trainedAt === undefined ? undefined : new Date(hand.trainedAt).toISOString().slice(0, 10), ''), ...one('second factor', hand?.mfa === undefined ? undefined : hand.mfa ? 'yes' : 'no', ''), ...one('devices', hand?.posture, ''),
    ...identifiers.map(({ system, value }): Field => ({ field: 'identifier', value: `${system}|${value}`, by: HAND })),
    ...fed.flatMap(({ source, identifiers: named }) => named.map(({ system, value }): Field => ({ field: 'identifier', value: `${system}|${value}`, by: source }))),
  ];
}

/** People whom sources speak of and the directory doesn't have, or has in doubt. */
export const unmatched = async (store: Pick<Store, 'states'>): Promise<readonly Staff[]> => ((await store.states('staff')) as readonly Staff[]).filter(({ party, why, group }) => group === undefined && (party === undefined || why !== undefined));

/** What sources say that counts for nobody. */
export async function listUnmatched(store: Store): Promise<Printed> {
  const staff = await unmatched(store);
  return {
    json: staff.map(viewOf),
    text: table(['SOURCE', 'THEIR NAME THERE', 'NAME', 'IN THE DIRECTORY', 'WHY IT COUNTS FOR NOBODY, OR NOT ALL OF IT'], staff.map((each) => [each.source, each.subject, each.person?.name ?? '', each.party ?? '', each.why ?? '']), 'All that sources say of people counts for somebody in the directory.'),
  };
}

const viewOf = ({ source, subject, person, posts, party, why, told }: Staff): object => ({ source, subject, name: person?.name, active: person?.active, posts, party, unknown: told?.unknown ?? [], why });
