/** Who takes part: two hospitals with Aceso, a homeserver that cheats, Dendrite when it can be built, and people in the same rooms. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import { createHospital } from '../support/hospital.ts';
import { startHospitals, type Hospital, type Hospitals } from '../support/lab.ts';
import { portFor } from '../support/ports.ts';
import { policyServerFor } from '../support/policyServer.ts';
import { runPython } from '../support/python.ts';
import { until } from '../support/until.ts';
import { createForge, type Forge, type Room } from './forge.ts';
import type { FederationOptions } from './options.ts';
import { DENDRITE, dendriteProgram, startDendrite } from './dendrite.ts';
import { call, newPerson, roomPath, type Home, type Person } from './person.ts';

export type Stage = {
  readonly hospitals: Hospitals;
  readonly eastside: Hospital;
  readonly acesos: readonly Aceso[];
  readonly aceso: Aceso;
  readonly people: People;
  /** Where those of Mercy, St. Anne and Eastside are. */
  readonly rooms: readonly Room[];
  /** Somebody at a Dendrite, in rooms with those of Mercy and St. Anne; or why there is none. */
  readonly dendrite: { readonly dan: Person; readonly rooms: readonly Room[]; ended(): string | undefined } | { readonly absent: string };
  /** Opens the forge: `isEverywhere` says whether both hospitals show an event. */
  forge(isEverywhere: (eventId: string) => boolean): Forge;
  /** People who aren't in a room yet, and may be invited. */
  readonly guests: readonly Person[];
  /** The name under which a room was asked for. */
  readonly keyOf: (room: Room) => string;
  /** Programs that have ended though nobody stopped them, and how. Without one that is `needed` nothing that follows means anything. */
  ended(): readonly { readonly name: string; readonly how: string; readonly needed: boolean }[];
  stop(): Promise<void>;
};

/** `bob` and `ben` at Mercy, `ada` and `amy` at St. Anne, `eve` and `mallory` at the server that cheats. Of each two the second is in no room. */
export type People = Readonly<Record<'bob' | 'ben' | 'ada' | 'amy' | 'eve' | 'mallory', Person>>;

const HOSTILE = { modules: [{ module: 'hostile_module.Hostile', config: {} }] };
const MENDED = { modules: [{ module: 'aceso_module.KeepHonestEvents', config: {} }] };
/** The forge speaks in Eastside's name, too, and a server takes one transaction of an origin at a time: Eastside comes again soon. */
const SOON = { federation: { max_long_retry_delay: '1s', destination_min_retry_interval: '1s', destination_max_retry_interval: '2s' } };
const PARTNER = 'partner-clinician';

/** `folder`: where what is started here keeps its logs and databases. */
export async function setTheStage(options: FederationOptions, folder: string, say: (line: string) => void, shared?: Hospitals): Promise<Stage> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end().catch((error: unknown) => say(`while ending: ${String(error)}`));
  };
  try {
    say(`${shared ? 'one Synapse starts' : 'three Synapses start'}: Mercy and St. Anne, and Eastside, which cheats`);
    const hospitals = shared ?? await startHospitals({ folder, mercy: { slots: 1, config: configOf(options) }, stAnne: { slots: 1, config: configOf(options) } });
    if (!shared) stops.push(() => hospitals.stop());
    const { mercy, stAnne } = hospitals;
    const eastside = await hostile(hospitals, join(folder, 'eastside'));
    stops.push(() => eastside.stop());
    await eastside.start();
    const people = {
      bob: await newPerson(mercy, 'fed-bob'), ben: await newPerson(mercy, 'fed-ben'),
      ada: await newPerson(stAnne, 'fed-ada'), amy: await newPerson(stAnne, 'fed-amy'),
      eve: await newPerson(eastside, 'fed-eve'), mallory: await newPerson(eastside, 'fed-mallory'),
    };
    const dendrite = await dendriteOf(options, hospitals, join(folder, 'dendrite'), say);
    if ('dan' in dendrite) stops.push(() => dendrite.stop());
    const root = await newPerson(mercy, 'fed-root', 'admin');
    const guests = await Promise.all(Array.from({ length: guestsFor(options) }, (_, index) => newPerson(index % 2 === 0 ? stAnne : mercy, `fed-guest${index}`)));
    const settings = await policyServerFor(hospitals);
    const partner = (home: Home): { readonly server_name: string; readonly name: string } => ({ server_name: home.serverName, name: home.name });
    const directory = [[people.bob, 'physician'], [people.ada, PARTNER], [people.eve, PARTNER], ...('dan' in dendrite ? [[dendrite.dan, PARTNER] as const] : []), ...guests.map((guest) => [guest, guest.home === mercy ? 'physician' : PARTNER] as const)] as const;
    const aceso = await newAceso({
      folder: join(folder, 'aceso-mercy'), mercy, slot: hospitals.takeSlot(), partners: [partner(stAnne), partner(eastside), ...('dan' in dendrite ? [{ ...partner(dendrite.dan.home), room_version: '11' }] : [])], policyServer: settings,
      people: directory.map(([{ userId }, role], index) => ({ id: `p${index}`, name: `Dr. ${index}`, user_id: userId, roles: [role] })),
    });
    const other = await newAceso({ folder: join(folder, 'aceso-st-anne'), mercy: stAnne, slot: hospitals.takeSlot('stAnne'), partners: [partner(mercy), partner(eastside)], people: [{ id: 'ada', name: 'Dr. Ada', user_id: people.ada.userId, roles: ['physician'] }] });
    const acesos = [aceso, other];
    for (const each of acesos) stops.push(() => each.stop());
    say('an Aceso at each hospital starts, that of Mercy with a policy server');
    await Promise.all(acesos.map((each) => each.start()));
    const members = [people.bob, people.ada, people.eve];
    const keys = Array.from({ length: options.rooms }, (_, index) => `fed-${index}`);
    say(`${keys.length} rooms of all three servers are made`);
    const rooms: Room[] = [];
    for (const key of keys) rooms.push({ roomId: await roomOf(aceso, key, members), version: '12' });
    const others: Room[] = [];
    if ('dan' in dendrite) for (const key of ['fed-dendrite-0', 'fed-dendrite-1']) others.push({ roomId: await roomOf(aceso, key, [people.bob, people.ada, dendrite.dan]), version: '11' });
    const forge: Stage['forge'] = (isEverywhere) => {
      const opened = createForge({ server: eastside, eve: people.eve, root, isEverywhere, targets: [mercy, stAnne, eastside], policyServer: settings.server_name, ca: readFileSync(hospitals.tls.caFile) });
      stops.push(async () => opened.close());
      return opened;
    };
    const ended: Stage['ended'] = () => [
      ...[mercy, stAnne, eastside].filter(({ state }) => state === 'stopped').map(({ name }) => ({ name, how: 'its log says more', needed: true })),
      ...acesos.flatMap((each, index) => (each.ended() === undefined ? [] : [{ name: `the Aceso of ${index === 0 ? mercy.name : stAnne.name}`, how: each.ended() ?? '', needed: true }])),
      ...('dan' in dendrite && dendrite.ended() !== undefined ? [{ name: 'Dendrite', how: dendrite.ended() ?? '', needed: false }] : []),
    ];
    return { ended, hospitals, eastside, acesos, aceso, people, rooms, dendrite: 'dan' in dendrite ? { dan: dendrite.dan, rooms: others, ended: () => dendrite.ended() } : dendrite, guests, forge, stop, keyOf: ({ roomId }) => keys[rooms.findIndex((room) => room.roomId === roomId)] ?? '' };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A consult room of Aceso's with these people in it, known at the server of each. */
export async function roomOf(aceso: Aceso, key: string, members: readonly Person[]): Promise<string> {
  await aceso.cli('rooms', 'create', 'consult', '--key', key, ...members.flatMap(({ userId }) => ['--member', userId]));
  const roomId = await until(`the room ${key}`, async () => (await aceso.cli<{ readonly roomId?: string }>('rooms', 'show', key)).roomId, 180_000, 300);
  for (const person of members) await enter(person, roomId);
  await until(`everybody to be in ${key}`, async () => {
    const seen = await Promise.all(members.map((person) => call(person, 'GET', roomPath(roomId, 'joined_members'))));
    return seen.every(({ body }) => members.every(({ userId }) => Object.hasOwn(body['joined'] ?? {}, userId)));
  }, 180_000, 200);
  return roomId;
}

/** Accepts the invitation once it is there; gives the status of the last answer. */
export const enter = (person: Person, roomId: string): Promise<number> =>
  until(`${person.userId} to be invited and to join`, async () => {
    const { status } = await call(person, 'POST', `/rooms/${encodeURIComponent(roomId)}/join`, {});
    return status === 200 && status;
  }, 180_000, 200);

const configOf = ({ synapse }: FederationOptions): Readonly<Record<string, unknown>> => (synapse === 'mended' ? MENDED : {});

export const guestsFor = ({ events }: FederationOptions): number => Math.min(10, Math.floor(events / 100));

async function dendriteOf({ dendrite }: FederationOptions, { tls }: Hospitals, folder: string, say: (line: string) => void): Promise<{ readonly dan: Person; ended(): string | undefined; stop(): Promise<void> } | { readonly absent: string }> {
  if (dendrite === 'left-out') return { absent: 'left out' };
  const program = await dendriteProgram(dendrite, say);
  if ('absent' in program) {
    say(program.absent);
    return program;
  }
  say(`Dendrite ${DENDRITE} starts, which asks no policy server`);
  const home = await startDendrite(program.path, folder, tls);
  return { dan: await newPerson(home, 'fed-dan'), ended: () => home.ended(), stop: () => home.stop() };
}

async function hostile({ folder, tls }: Hospitals, dataDir: string): Promise<Hospital> {
  const name = 'Eastside';
  mkdirSync(dataDir, { recursive: true });
  await runPython('certificates.py', [folder, join(dataDir, 'signing.key')]);
  const federationPort = await portFor(`${name}'s federation API`);
  return createHospital({
    name, serverName: `localhost:${federationPort}`, dataDir, clientPort: await portFor(`${name}'s client API`), federationPort, tls, invitationLimits: 'lifted',
    database: { kind: 'sqlite', file: join(dataDir, 'homeserver.db') }, appservices: [], logLevel: 'WARNING', more: { ...HOSTILE, ...SOON }, modulePath: join(import.meta.dirname, 'hostile'),
  });
}
