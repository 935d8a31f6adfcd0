import { parse } from 'csv-parse/sync';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { LoadedConfig } from '../config/load.ts';
import { as, type Millis, type UserId } from '../domain/brand.ts';
import { byHand } from '../domain/people/fed.ts';
import { PARTY_SYSTEM, type Party } from '../domain/people/party.ts';
import { NPI, type Identifier } from '../domain/people/recipient.ts';
import type { Standing } from '../domain/policy/standing.ts';
import { RECIPIENT, type Posture } from '../domain/policy/words.ts';
import type { RoomState } from '../domain/rooms/room.ts';
import type { Store } from '../ports/store.ts';
import { bringParties } from './directory.ts';
import { table, type Printed } from './print.ts';

export type EnrolOptions = { readonly name?: string; readonly userId?: readonly string[]; readonly npi?: string; readonly identifier?: readonly string[]; readonly team?: true; readonly by: string } & StandingOptions;
/** What rules look at; what is left out stays as the directory has it. */
export type StandingOptions = { readonly role?: readonly string[]; readonly organisation?: string; readonly department?: string; readonly trained?: string; readonly mfa?: 'yes' | 'no'; readonly devices?: Posture };

/** Enrols one party: the directory knows it, and its results room is made and its members invited now. */
export async function enrol(store: Store, id: string, options: EnrolOptions): Promise<Printed> {
  const party = await partyOf(store, id, options);
  await bringParties(store, [party], options.by, 'now');
  return { json: party, text: `${party.name} is enrolled. The running server makes the results room and invites ${party.members.join(', ')}: see \`aceso people list\`.${await overruled(store, id, options)}` };
}

/** What was said by hand and doesn't count, because a source says it. */
async function overruled(store: Store, id: string, { role, organisation, department }: StandingOptions): Promise<string> {
  const fed = Object.values(((await store.load({ kind: 'party', id }))?.state as Party | undefined)?.fed ?? {});
  const said = [...(role && fed.some(({ roles }) => roles) ? ['roles'] : []), ...(organisation && fed.some((each) => each.organisation) ? ['organisation'] : []), ...(department && fed.some((each) => each.department) ? ['department'] : [])];
  return said.length === 0 ? '' : `\nNOT COUNTED: ${said.join(', ')}. ${[...new Set(fed.map(({ source }) => source))].join(', ')} says it, and what a source says takes the place of a command: change it there (\`aceso people show ${id}\`).`;
}

/** What the options say, over what the directory knows. */
async function partyOf(store: Store, id: string, options: Omit<EnrolOptions, 'by'>): Promise<Party> {
  const entry = (await store.load({ kind: 'party', id }))?.state as Party | undefined;
  const known = entry && byHand(entry);
  const members = options.userId ?? known?.members ?? [];
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/u.test(id)) throw new Error(`${id}: a short name has lower-case letters, digits, dots and dashes, e.g. dr-okafor`);
  if (members.length === 0) throw new Error(`${id} is not in the directory: give --user-id and --name.`);
  for (const member of members) if (!/^@[^:\s]+:\S+$/u.test(member)) throw new Error(`${member} is not a Matrix user id, e.g. @ada:mercy.example`);
  if (!options.team && members.length > 1 && known?.kind !== 'team') throw new Error('A person has one Matrix id. For a team say --team.');
  const identifiers: readonly Identifier[] = [...(options.npi === undefined ? [] : [{ system: NPI, value: options.npi }]), ...(options.identifier ?? []).map(toIdentifier)];
  return {
    id: as(id), kind: options.team ? 'team' : (known?.kind ?? 'person'), name: options.name ?? known?.name ?? id, members: members.map((member) => as<UserId>(member)),
    identifiers: identifiers.length > 0 ? identifiers : (known?.identifiers ?? []), ...standingOf(options, known?.standing),
  };
}

/** Nothing when nothing is said and nothing was known. */
function standingOf({ role, organisation, department, trained, mfa, devices }: StandingOptions, known: Standing | undefined): Pick<Party, 'standing'> {
  const said = {
    ...(role === undefined ? {} : { roles: role }), ...(organisation === undefined ? {} : { organisation }), ...(department === undefined ? {} : { department }), ...(mfa === undefined ? {} : { mfa: mfa === 'yes' }),
    ...(trained === undefined ? {} : { trainedAt: day(trained) }), ...(devices === undefined ? {} : { posture: devices }),
  };
  return known === undefined && Object.keys(said).length === 0 ? {} : { standing: { roles: [], ...known, ...said } };
}

function day(text: string): Millis {
  const at = /^\d{4}-\d{2}-\d{2}$/u.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) throw new Error(`${text}: a day is written 2026-09-30`);
  return as<Millis>(at);
}

/** Throws for roles that the rules don't know: they would permit nothing. */
export async function knownRoles(config: LoadedConfig, roles: readonly string[]): Promise<void> {
  if (roles.length === 0) return;
  const { folderOf, policyOf } = await import('./policy/folder.ts');
  const known = policyOf(folderOf(config)).roles;
  const unknown = roles.find((role) => !known.includes(role));
  if (unknown !== undefined) throw new Error(`${unknown} is not a role. There are ${known.join(', ')}.`);
}

function toIdentifier(text: string): Identifier {
  const bar = text.lastIndexOf('|');
  if (bar < 1 || bar === text.length - 1) throw new Error(`${text}: an identifier is written system|value`);
  return { system: text.slice(0, bar), value: text.slice(bar + 1) };
}

/** Somebody confirmed that the identity which a member of the party has now is theirs: what is held for it (`identity-changed`) goes out. */
export async function acceptIdentity(store: Store, id: string, userId: string | undefined, by: string): Promise<Printed> {
  const party = (await store.load({ kind: 'party', id }))?.state as Party | undefined;
  if (!party) throw new Error(`${id} is not in the directory. See \`aceso people list\`.`);
  const user = userId ?? (party.members.length === 1 ? party.members[0] : undefined);
  if (user === undefined) throw new Error(`${party.name} has several members: say whose identity, e.g. ${party.members[0] ?? ''}`);
  if (!party.members.some((member) => member === user)) throw new Error(`${user} is not a member of ${party.name}.`);
  await store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: 'room', id: party.id }, at: as(Date.now()), body: { type: 'operator.accept', by, userId: as<UserId>(user) } }]);
  return { json: { accepted: user, party: party.id }, text: `The identity that ${user} has now is accepted, by ${by}. What was held for it goes out: see \`aceso held list\`.` };
}

const csvRow = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/u, 'a short name, e.g. dr-okafor'),
  name: z.string().min(1, 'a name'),
  user_id: z.string().regex(/^@[^:\s]+:\S+$/u, 'a Matrix id, e.g. @ada:mercy.example'),
  npi: z.string().regex(/^(\d{10})?$/u, 'ten digits, or nothing'),
  roles: z.string().regex(/^([a-z][a-z0-9-]*(;[a-z][a-z0-9-]*)*)?$/u, 'roles with semicolons between them, e.g. physician;privacy-officer').optional(),
  department: z.string().optional(),
  trained_at: z.string().regex(/^(\d{4}-\d{2}-\d{2})?$/u, 'a day, e.g. 2026-09-30, or nothing').optional(),
});

/** Enrols everybody of a CSV file with the columns id,name,user_id,npi, and roles,department,trained_at where there are any; all are taken or none, and a dry run stops before. */
export async function enrolCsv(store: Store, path: string, by: string, isDryRun: true | undefined, checkRoles: (roles: readonly string[]) => Promise<void> = async () => undefined): Promise<Printed> {
  const records = parse(readFileSync(path), { columns: true, bom: true, trim: true, skip_empty_lines: true, info: true }) as unknown as readonly { readonly record: unknown; readonly info: { readonly lines: number } }[];
  const rows = records.map(({ record, info }) => {
    const row = csvRow.safeParse(record);
    if (!row.success) throw new Error(`${path}:${info.lines}: ${row.error.issues.map(({ path: [column], message }) => `${String(column)} needs ${message}`).join('; ')}. The first line must name the columns id,name,user_id,npi.`);
    return row.data;
  });
  const rolesOf = (text: string | undefined): readonly string[] => (text ?? '').split(';').filter((role) => role !== '');
  await checkRoles([...new Set(rows.flatMap(({ roles }) => rolesOf(roles)))]);
  const parties = await Promise.all(rows.map(({ id, name, user_id: userId, npi, roles, department, trained_at: trained }) => partyOf(store, id, {
    name, userId: [userId], ...(npi === '' ? {} : { npi }), ...(roles ? { role: rolesOf(roles) } : {}), ...(department ? { department } : {}), ...(trained ? { trained } : {}),
  })));
  if (!isDryRun) await bringParties(store, parties, by, 'now');
  return { json: { enrolled: isDryRun ? [] : rows.map(({ id }) => id), checked: rows.map(({ id }) => id) }, text: `${isDryRun ? 'Would enrol' : 'Enrolled'} ${rows.length} people.` };
}

export async function listPeople(store: Store): Promise<Printed> {
  const parties = (await store.states('party')) as readonly Party[];
  const rooms = new Map(((await store.states('room')) as readonly RoomState[]).map((room) => [room.party.id, room]));
  return {
    json: parties.map((party) => ({ ...party, room: roomView(rooms.get(party.id)) })),
    text: table(['ID', 'NAME', 'MATRIX ID', 'ROLES', 'RESULTS ROOM', 'IDENTIFIERS'], parties.map((party) => [party.id, party.name, party.members.join(', '), rolesWords(party), roomWords(rooms.get(party.id)), party.identifiers.map(identifierWords).join(', ')]), 'Nobody is in the directory. Enrol somebody: `aceso people enrol --help`.'),
  };
}

const rolesWords = ({ kind, standing }: Party): string => (kind === 'team' ? '' : standing?.left ? 'has left' : standing?.roles.join(', ') || RECIPIENT);

const roomView = (room: RoomState | undefined): unknown => room && { roomId: room.roomId, phase: room.phase, members: room.members, blocked: room.blocked, unprotected: room.unprotected };

function roomWords(room: RoomState | undefined): string {
  if (!room) return 'on demand';
  if (room.blocked) return `blocked: ${room.blocked.code}`;
  if (room.unprotected) return 'blocked: unprotected';
  return room.phase === 'creating' ? 'being made' : [...new Set(Object.values(room.members))].join(', ') || 'made';
}

const identifierWords = ({ system, value }: Identifier): string => (system === NPI ? `NPI ${value}` : system === PARTY_SYSTEM ? value : `${system}|${value}`);
