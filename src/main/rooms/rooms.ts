import { createHash, randomUUID } from 'node:crypto';
import { createHomeserver } from '../../adapters/matrix/homeserver.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { as, type SubjectId, type UserId } from '../../domain/brand.ts';
import { admission, lookupsOfPeople } from '../../domain/governed/admission.ts';
import type { GovernedRoom } from '../../domain/governed/governed.ts';
import { isRoomKind, ROOM_KINDS } from '../../domain/policy/words.ts';
import { assess, planRepairs, ROOM_RULES, type Finding, type Repair } from '../../domain/rooms/assess.ts';
import type { RoomState } from '../../domain/rooms/room.ts';
import { standardFor, type OurRoom } from '../../domain/rooms/standard.ts';
import type { Homeserver } from '../../ports/homeserver.ts';
import type { Store } from '../../ports/store.ts';
import { courierLocalpart, guardianLocalpart, readRegistration, settingsOf, templatesOf } from '../compose.ts';
import { keepersIn, standbysIn } from '../agreements/register.ts';
import { keepersOf } from '../agreements/roomDemands.ts';
import { folderOf, policyOf } from '../policy/folder.ts';
import { instant, table, type Printed } from '../print.ts';
import { oursOf } from './ours.ts';

export type CreateOptions = { readonly member: readonly string[]; readonly key?: string; readonly inCare?: true; readonly patient?: SubjectId; readonly by: string };

/** Asks the running server for a room; whom the policy doesn't let in is said at once. The same key, or the same template and people, is the same room. */
export async function createTalk(store: Store, config: LoadedConfig, template: string, { member, key, inCare, patient, by }: CreateOptions): Promise<Printed> {
  if (!isRoomKind(template) || template === 'results') throw new Error(`${template} is no template of a room in which people talk. There are ${ROOM_KINDS.filter((kind) => kind !== 'results').join(', ')}.`);
  for (const each of member) if (!/^@[^:\s]+:\S+$/u.test(each)) throw new Error(`${each} is not a Matrix user id, e.g. @ada:mercy.example`);
  if (key !== undefined && !/^[a-z0-9][a-z0-9._-]{0,62}$/u.test(key)) throw new Error(`${key}: a key has lower-case letters, digits, dots and dashes, e.g. cardiology-consult. Never a patient's name.`);
  if (patient !== undefined && inCare) throw new Error('--patient or --in-care: either care teams say who has the patient in care, or you do.');
  if (patient !== undefined && template !== 'patient' && template !== 'care-team') throw new Error(`A ${template} room is about no patient: --patient is for patient and care-team rooms.`);
  const members = [...new Set(member)].sort().map((each) => as<UserId>(each));
  const id = key ?? `${template}-${createHash('sha256').update([...members, ...(patient === undefined ? [] : [patient])].join(' ')).digest('hex').slice(0, 12)}`;
  const known = (await store.load({ kind: 'governed', id }))?.state as GovernedRoom | undefined;
  if (known && known.template !== template) throw new Error(`${id} is a ${known.template} room already: give another --key.`);
  if (known && patient !== undefined && known.patient !== patient) throw new Error(`${id} is not about that patient: a room stays about whom it was made for. Give another --key.`);
  const about = known?.patient ?? patient;
  const templates = templatesOf(config);
  const asked = admission({ key: id, template, people: members, inCare: inCare === true ? 'attested' : undefined, patient: about }, { judge: policyOf(folderOf(config)).judge, found: await store.lookup(lookupsOfPeople(members, about)), settings: { ...settingsOf(config), templates }, now: as(Date.now()) });
  const refusals = asked.refused.map(({ userId, message, rules }) => `  ${userId} is not let in: ${message} [${rules.join(' ')}]`);
  if (asked.admitted.length === 0) throw new Error(['The policy lets nobody of them in, so no room was made:', ...refusals].join('\n'));
  await store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: 'governed', id }, at: as(Date.now()), body: { type: 'operator.open', by, template, members, ...(inCare === true ? { inCare: 'attested' as const } : {}), ...(patient === undefined ? {} : { patient }) } }]);
  return { json: { key: id, template, admitted: asked.admitted, refused: asked.refused }, text: [`${id}: the running server ${known ? 'invites who is not in it yet' : `makes the ${template} room and invites ${asked.admitted.join(', ')}`}. See \`aceso rooms show ${id}\`.`, ...refusals].join('\n') };
}

const membersOf = (room: OurRoom): Readonly<Record<string, string>> => room.state.members;
export const keyOf = (room: OurRoom): string => (room.kind === 'room' ? room.state.party.id : room.state.key);
const kindOf = (room: OurRoom): string => (room.kind === 'room' ? 'results' : room.state.template);

export async function allRooms(store: Pick<Store, 'states'>): Promise<readonly OurRoom[]> {
  const [results, governed] = await Promise.all([store.states('room'), store.states('governed')]);
  return [...(governed as readonly GovernedRoom[]).map((state) => ({ kind: 'governed', state } as const)), ...(results as readonly RoomState[]).map((state) => ({ kind: 'room', state } as const))];
}

/** By key, party or room id. */
export async function roomNamed(store: Pick<Store, 'states'>, name: string): Promise<OurRoom> {
  const found = (await allRooms(store)).find((room) => keyOf(room) === name || room.state.roomId === name);
  if (!found) throw new Error(`${name} is no room of Aceso. See \`aceso rooms list\`.`);
  return found;
}

export async function listRooms(store: Store): Promise<Printed> {
  const rooms = await allRooms(store);
  const rows = rooms.map((room) => ({ key: keyOf(room), template: kindOf(room), phase: room.state.blocked ? `blocked: ${room.state.blocked.code}` : room.state.phase, joined: Object.values(membersOf(room)).filter((each) => each === 'joined').length, people: Object.keys(membersOf(room)).length, roomId: room.state.roomId }));
  return { json: rows, text: table(['KEY', 'TEMPLATE', 'STATE', 'IN', 'ROOM'], rows.map(({ key, template, phase, joined, people, roomId }) => [key, template, phase, `${joined}/${people}`, roomId ?? '']), 'No rooms yet. Make one: `aceso rooms create consult --member @ada:mercy.example --member @ben:stanne.example`.') };
}

export async function showRoom(store: Store, name: string): Promise<Printed> {
  const room = await roomNamed(store, name);
  const { state } = room;
  const refused = room.kind === 'governed' ? room.state.refused : [];
  const untold = room.kind === 'room' ? (room.state.notices ?? []).map(({ text }) => text) : [];
  return {
    json: { key: keyOf(room), template: kindOf(room), phase: state.phase, roomId: state.roomId, former: state.former ?? [], members: state.members, refused, untold, blocked: state.blocked, looked: state.looked },
    text: [
      `${keyOf(room)}  ${kindOf(room)} room, ${state.phase}${state.roomId === undefined ? '' : `, ${state.roomId}`}`, ...(state.blocked ? [`  blocked: ${state.blocked.message} [${state.blocked.code}]`] : []),
      ...(room.kind === 'governed' && room.state.patient !== undefined ? ['  about one patient: who has them in care, care teams say'] : []),
      ...(room.kind === 'governed' && room.state.replacing ? ['  another is being made in its place'] : []),
      ...Object.entries(state.members).map(([userId, membership]) => `  ${userId}: ${membership}`), ...refused.map(({ userId, message, rules }) => `  ${userId} is not let in: ${message} [${rules.join(' ')}]`),
      ...untold.map((each) => `  waits to be told: ${each}`),
      ...(state.looked ? [`  looked at ${instant(state.looked.at)}: ${state.looked.findings.map(({ rule }) => rule).join(', ') || 'as it must be'}`] : []),
    ].join('\n'),
  };
}

type Checked = { readonly key: string; readonly template: string; readonly roomId: string; readonly findings: readonly Finding[]; readonly repairs: readonly Repair[]; readonly problem?: string };

const AT_ONCE = 8;

/** Reads rooms at the homeserver and says what isn't as the template and the policy would have it. Changes nothing. */
async function check(store: Store, config: LoadedConfig, name: string | undefined): Promise<readonly Checked[]> {
  const rooms = (name === undefined ? await allRooms(store) : [await roomNamed(store, name)]).filter(({ state }) => state.roomId !== undefined);
  const homeserver = homeserverOf(config);
  const ours = oursOf({ config, templates: templatesOf(config) }, homeserver, await standbysIn(store), await keepersIn(store), keepersOf(config)?.policyServer);
  const checked: Checked[] = [];
  for (let from = 0; from < rooms.length; from += AT_ONCE) {
    checked.push(...await Promise.all(rooms.slice(from, from + AT_ONCE).map(async (room): Promise<Checked> => {
      const roomId = room.state.roomId ?? as('');
      const about = { key: keyOf(room), template: kindOf(room), roomId };
      const state = await homeserver.state(roomId);
      if (!state.ok) return { ...about, findings: [], repairs: [], problem: state.error.message };
      const standard = standardFor(room, state.value, ours);
      const findings = assess(state.value, standard);
      return { ...about, findings, repairs: planRepairs(findings, standard) };
    })));
  }
  return checked;
}

export function homeserverOf(config: LoadedConfig): Homeserver {
  const { url, server_name: serverName } = config.homeserver;
  return createHomeserver({ url, serverName, asToken: readRegistration(config).asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config), names: { guardian: '', courier: '' } });
}

export async function checkRooms(store: Store, config: LoadedConfig, name: string | undefined): Promise<Printed & { readonly failed: boolean }> {
  const checked = await check(store, config, name);
  const rows = checked.flatMap(({ key, template, findings, repairs, problem }) => [...(problem === undefined ? [] : [[key, template, 'unreadable', problem, '']]), ...findings.map(({ rule, type, user }) => [key, template, rule, `${ROOM_RULES[rule].say}${user === undefined ? rule === 'state-unknown' ? `: ${type}` : '' : `: ${user}`} (${ROOM_RULES[rule].cite})`, repairs.some((repair) => repair.rule === rule) ? 'can be put back' : 'look yourself'])]);
  return { failed: rows.length > 0, json: checked.map(({ repairs, ...each }) => ({ ...each, repairs: repairs.map(({ rule, type, stateKey }) => ({ rule, type, stateKey })) })), text: table(['KEY', 'TEMPLATE', 'RULE', 'IT MUST BE', ''], rows, `${checked.length} room(s), all as their templates and the policy would have them.`) };
}

/** Has the running server put a room back; `dry-run` says what that would be. */
export async function repairRoom(store: Store, config: LoadedConfig, name: string, mode: 'do' | 'dry-run', by: string): Promise<Printed> {
  const [checked] = await check(store, config, name);
  if (!checked) throw new Error(`${name} is not made yet: see \`aceso rooms show ${name}\`.`);
  if (checked.problem !== undefined) throw new Error(`${name} can't be read: ${checked.problem}`);
  const { repairs, roomId } = checked;
  const steps = repairs.map(({ rule, type, stateKey }) => `  ${rule}: ${type}${stateKey === '' ? '' : ` of ${stateKey}`}, so that ${ROOM_RULES[rule].say}`);
  if (mode === 'do') {
    const room = await roomNamed(store, name);
    await store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: room.kind, id: keyOf(room) }, at: as(Date.now()), body: { type: 'room.changed', roomId: as(roomId), what: 'operator', by } }]);
  }
  const head = repairs.length === 0 ? 'Nothing is to be put back.' : mode === 'do' ? 'The running server puts back:' : 'Would be put back:';
  return { json: { roomId, mode, repairs: repairs.map(({ rule, type, stateKey }) => ({ rule, type, stateKey })), findings: checked.findings }, text: [head, ...steps].join('\n') };
}
