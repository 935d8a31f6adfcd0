import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { createInspection, type Inspection } from '../adapters/matrix/inspect.ts';
import type { LoadedConfig } from '../config/load.ts';
import { standbyOf } from '../domain/agreements/demands.ts';
import { handedRooms, type HandedRoom } from '../domain/agreements/handedRooms.ts';
import { HAND_OVER_REASONS, type HandOverReason, type Register } from '../domain/agreements/register.ts';
import type { Keepers } from '../domain/agreements/terms.ts';
import { as, type RoomId } from '../domain/brand.ts';
import { naming, notStandingBy, type PolicyIdentity } from '../domain/rooms/protection.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { Store } from '../ports/store.ts';
import { genuineRegisters } from './agreements/register.ts';
import { keepersOf } from './agreements/roomDemands.ts';
import { courierLocalpart, guardianLocalpart, readRegistration } from './compose.ts';
import { table, type Printed } from './print.ts';
import { allRooms, homeserverOf, keyOf, roomNamed } from './rooms/rooms.ts';

type Asked = { readonly room?: string; readonly all?: true; readonly reason: string; readonly dryRun?: true; readonly by: string };
type Result = { readonly room: string; readonly roomId: RoomId; readonly outcome: 'done' | 'would' | 'refused'; readonly why: string };
type Tried = Printed & { readonly failed: boolean };

export type HandOverParts = { readonly withStore: (run: (store: Store, config: LoadedConfig) => Promise<Printed>) => Promise<void>; readonly operator: () => string };

/** Has the policy server of a partner judge in rooms of ours, and takes them back. */
export function addHandOver(policyServer: Command, { withStore, operator }: HandOverParts): void {
  const exit = async (tried: Promise<Tried>): Promise<Printed> => {
    const { failed, ...printed } = await tried;
    if (failed) process.exitCode = 1;
    return printed;
  };
  policyServer.command('hand-over').description('in an emergency: have the partner\'s policy server, which stands by, judge in rooms of ours; works also while Aceso is down. Exit 1 when a room was refused')
    .argument('[room]', 'key, party or room id').option('--all', 'every room that has people of that partner')
    .requiredOption('--to <server>', 'the partner\'s server name').requiredOption('--reason <code>', HAND_OVER_REASONS.join(', ')).option('--dry-run', 'only say what would be done')
    .action((room: string | undefined, options: Omit<Asked, 'by' | 'room'> & { readonly to: string }) => withStore((store, config) => exit(handOver(store, config, { ...options, ...(room === undefined ? {} : { room }), by: operator() }))));
  policyServer.command('take-back').description('have our own policy server, which must be back, judge in rooms that were handed over')
    .argument('[room]', 'key, party or room id').option('--all', 'every one of them').requiredOption('--reason <code>', HAND_OVER_REASONS.join(', ')).option('--dry-run', 'only say what would be done')
    .action((room: string | undefined, options: Omit<Asked, 'by' | 'room'>) => withStore((store, config) => exit(takeBack(store, config, { ...options, ...(room === undefined ? {} : { room }), by: operator() }))));
}

/** What a hand-over works with. */
export type Means = {
  readonly store: Pick<Store, 'states' | 'undecidedOf' | 'receive' | 'audit'>; readonly homeserver: Pick<Homeserver, 'state' | 'setState'>; readonly inspection: Pick<Inspection, 'reaches'>;
  readonly own: Keepers; /** With the agreements that are genuine. */ readonly registers: () => Promise<readonly Register[]>;
  readonly clock: { now(): number; pause(ms: number): Promise<void> };
};

export const handOver = (store: Store, config: LoadedConfig, asked: Asked & { readonly to: string }): Promise<Tried> => handOverBy(meansOf(store, config), asked);
export const takeBack = (store: Store, config: LoadedConfig, asked: Asked): Promise<Tried> => takeBackBy(meansOf(store, config), asked);

const meansOf = (store: Store, config: LoadedConfig): Means => ({ store, homeserver: homeserverOf(config), inspection: inspectionOf(config), own: ownKeepers(config), registers: () => genuineRegisters(store, config), clock: { now: Date.now, pause: (ms) => pause(ms) } });

/** Each room by itself: one in which the partner doesn't stand by is refused, since to name who isn't there opens it; and so is one that is handed to another. */
export async function handOverBy(means: Means, { to, ...asked }: Asked & { readonly to: string }): Promise<Tried> {
  const { store, homeserver, inspection, registers } = means;
  const reason = reasonOf(asked.reason);
  const undecided = await store.undecidedOf('agreement');
  const known = await registers();
  const register = known.find(({ server }) => server === to);
  const standby = register && standbyOf(register, as(Date.now()));
  const rooms = register ? await roomsFor(store, to, asked) : [];
  const task = { ...asked, reason, type: 'operator.hand-over' } as const;
  if (!standby) throw await refusal(means, rooms, task, `No agreement in force with ${to} says that its policy server stands by: see \`aceso agreements list\`. Until there is one (\`aceso agreements draft --stand-by\`), bring your own back.`);
  const elsewhere = handedRooms(known, undecided).filter(({ partner }) => partner !== to);
  const isFor = async (roomId: RoomId): Promise<string | undefined> => {
    const other = elsewhere.find(({ roomId: id }) => id === roomId);
    return other ? `it is handed to ${other.partner}: first \`aceso policy-server take-back '${roomId}' --reason ${reason}\`` : unfit(homeserver, roomId, standby.theirs);
  };
  const reached = await inspection.reaches(standby.theirs.policyServer.serverName);
  if (!reached.ok) throw await refusal(means, rooms, task, `The homeserver doesn't reach ${standby.theirs.policyServer.serverName}, so nothing is handed to it: nobody could send. Call ${to}.`);
  return carryOut(means, rooms, { ...task, named: standby.theirs.policyServer, unfit: isFor });
}

/** By what is handed, and what was asked for, also in rooms that were replaced since. */
export async function takeBackBy(means: Means, asked: Asked): Promise<Tried> {
  const { store, homeserver, inspection, own, registers } = means;
  const reason = reasonOf(asked.reason);
  oneOrAll(asked);
  const undecided = await store.undecidedOf('agreement');
  const known = await registers();
  const rooms = handedRooms(known, undecided).filter(({ roomId, room: { id } }) => asked.all || roomId === asked.room || id === asked.room);
  if (rooms.length === 0) throw new Error('Nothing is handed over there.');
  const task = { ...asked, reason, type: 'operator.take-back' } as const;
  const reached = await inspection.reaches(own.policyServer.serverName);
  // Where a partner's is away as well nobody sends now, and the room could go to another.
  const partners = known.filter(({ server }) => rooms.some(({ partner }) => partner === server)).flatMap((register) => standbyOf(register, as(Date.now()))?.theirs.policyServer.serverName ?? []);
  const judging = reached.ok ? [] : (await Promise.all(partners.map((server) => inspection.reaches(server)))).filter(({ ok }) => ok);
  if (!reached.ok && judging.length > 0) throw await refusal(means, rooms, task, `The homeserver doesn't reach ${own.policyServer.serverName} yet, so nothing is taken back: nobody could send. \`aceso doctor\` says more.`);
  return carryOut(means, rooms, { ...task, named: own.policyServer, unfit: (roomId) => unfit(homeserver, roomId, own) });
}

type Handing = Asked & { readonly reason: HandOverReason; readonly type: 'operator.hand-over' | 'operator.take-back' };
type Task = Handing & {
  readonly named: PolicyIdentity;
  /** Why it can't be; undefined: it can. */
  readonly unfit: (roomId: RoomId) => Promise<string | undefined>;
};

const AT_ONCE = 8;
/** So long the running Aceso has for the next of the rooms; then they are done from here, for it may be what is down. */
const WAITS_MS = 5000;
const EVERY_MS = 200;

async function carryOut(means: Means, rooms: readonly HandedRoom[], task: Task): Promise<Tried> {
  const looked = await each(rooms, async (room) => {
    const why = await task.unfit(room.roomId);
    return why === undefined ? { room } : { result: await refuse(means, room, task, why) };
  });
  const fit = looked.flatMap(({ room }) => room ?? []);
  const refused = looked.flatMap(({ result }) => result ?? []);
  const results = [...refused, ...(task.dryRun ? fit.map((room) => resultOf(room, 'would', `${task.named.serverName} would judge there`)) : await bring(means, fit, task))];
  return { failed: results.some(({ outcome }) => outcome === 'refused'), json: results, text: table(['ROOM', '', 'WHY'], results.map(({ room, outcome, why }) => [room, outcome, why]), 'No room has people of that partner.') };
}

/** It is written down first: whatever runs then, or starts later, holds the rooms to it. */
async function bring(means: Means, rooms: readonly HandedRoom[], task: Task): Promise<readonly Result[]> {
  const { store, homeserver, clock, own } = means;
  const { type, by, reason, named } = task;
  const { userId: policyUser } = own.policyServer;
  await store.receive(rooms.map(({ partner, room, roomId }) => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'agreement', id: partner }, at: as(Date.now()), body: { type, by, reason, roomId, room, policyUser } })));
  const isLeft = async ({ roomId }: HandedRoom): Promise<boolean> => !await names(homeserver, roomId, named);
  let left = await those(rooms, isLeft);
  for (let until = clock.now() + WAITS_MS; left.length > 0 && clock.now() < until;) {
    await clock.pause(EVERY_MS);
    const before = left.length;
    left = await those(left, isLeft);
    if (left.length < before) until = clock.now() + WAITS_MS;
  }
  return each(rooms, async (room) => {
    const done = resultOf(room, 'done', `${named.serverName} judges there`);
    if (!left.includes(room)) return done;
    // It may have changed while it was waited for.
    const why = await task.unfit(room.roomId);
    const set = why === undefined ? await homeserver.setState(room.roomId, naming(named)) : undefined;
    return set?.ok ? done : refuse(means, room, task, `${why ?? set?.error.message ?? ''}: it is written down, and done once Aceso runs and it can be`);
  });
}

/** Who asked for what, and why it isn't done, stands in the audit beside what is. */
async function refuse({ store }: Means, room: HandedRoom, { type, by, reason, dryRun }: Handing, why: string): Promise<Result> {
  const { partner, roomId } = room;
  if (!dryRun) await store.audit([{ at: as(Date.now()), kind: 'agreement', aggregate: partner, action: type === 'operator.hand-over' ? 'policy.not-handed-over' : 'policy.not-taken-back', because: why, detail: { partner, room: roomId, by, reason } }]);
  return resultOf(room, 'refused', why);
}

/** None of them is done. */
async function refusal(means: Means, rooms: readonly HandedRoom[], asked: Handing, why: string): Promise<Error> {
  await each(rooms, (room) => refuse(means, room, asked, why));
  return new Error(why);
}

const resultOf = ({ room, roomId }: HandedRoom, outcome: Result['outcome'], why: string): Result => ({ room: room.id, roomId, outcome, why });

async function each<Value>(rooms: readonly HandedRoom[], of: (room: HandedRoom) => Promise<Value>): Promise<readonly Value[]> {
  const values: Value[] = [];
  for (let from = 0; from < rooms.length; from += AT_ONCE) values.push(...await Promise.all(rooms.slice(from, from + AT_ONCE).map(of)));
  return values;
}

const those = async (rooms: readonly HandedRoom[], are: (room: HandedRoom) => Promise<boolean>): Promise<readonly HandedRoom[]> =>
  (await each(rooms, async (room) => ((await are(room)) ? [room] : []))).flat();

async function names(homeserver: Means['homeserver'], roomId: RoomId, { serverName }: PolicyIdentity): Promise<boolean> {
  const state = await homeserver.state(roomId);
  return state.ok && state.value.some(({ type, stateKey, content }) => type === 'm.room.policy' && stateKey === '' && content['via'] === serverName);
}

async function unfit(homeserver: Means['homeserver'], roomId: RoomId, keepers: Keepers): Promise<string | undefined> {
  const state = await homeserver.state(roomId);
  return state.ok ? notStandingBy(state.value, keepers) : state.error.message;
}

/** The room that was named, or all that have people of that partner. */
async function roomsFor(store: Pick<Store, 'states'>, partner: string, asked: Asked): Promise<readonly HandedRoom[]> {
  oneOrAll(asked);
  const rooms = asked.room === undefined ? (await allRooms(store)).filter(({ state: { servers } }) => servers.some((server) => server === partner)) : [await roomNamed(store, asked.room)];
  return rooms.flatMap((each): readonly HandedRoom[] => (each.state.roomId === undefined ? [] : [{ partner, room: { kind: each.kind, id: keyOf(each) }, roomId: each.state.roomId }]));
}

function oneOrAll({ room, all }: Asked): void {
  if ((room === undefined) === (all === undefined)) throw new Error('Name a room, or give --all.');
}

function ownKeepers(config: LoadedConfig): Keepers {
  const own = keepersOf(config);
  if (!own) throw new Error('There is no policy_server in the configuration, or it has no keys: no room is under it.');
  return own;
}

function reasonOf(text: string): HandOverReason {
  const known = HAND_OVER_REASONS.find((each) => each === text);
  if (known === undefined) throw new Error(`${text} is no reason: it is one of ${HAND_OVER_REASONS.join(', ')}.`);
  return known;
}

function inspectionOf(config: LoadedConfig): Inspection {
  const { url, server_name: serverName } = config.homeserver;
  return createInspection({ url, serverName, asToken: readRegistration(config).asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config), names: { guardian: '', courier: '' } });
}
