/** One result from the push to the device, and what everybody else sees of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SeenMessage } from '../support/clients/client.ts';
import { matrix, matrixAnswer } from '../support/matrixHttp.ts';
import { searchFolder, searchHospital, storedEvent, type Search } from './evidence.ts';
import { PATIENT } from './report.ts';
import { duration, type Screen } from './screen.ts';
import type { Stage } from './stage.ts';

export type Pushed = { readonly status: number; readonly location: string; readonly postedAt: number; readonly ms: number };

export async function push({ aceso, token }: Stage, report: unknown): Promise<Pushed> {
  const [postedAt, since] = [Date.now(), performance.now()];
  const response = await fetch(`${aceso.fhirUrl}/DiagnosticReport`, { method: 'POST', headers: { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}` }, body: JSON.stringify(report) });
  const text = await response.text();
  if (!response.ok) throw new Error(`the push was answered ${response.status}: ${text}`);
  return { status: response.status, location: response.headers.get('location') ?? 'none', postedAt, ms: performance.now() - since };
}

export async function labPushes(stage: Stage, screen: Screen, report: Record<string, unknown>): Promise<Pushed> {
  screen.step('What the laboratory sends, and gets back');
  const file = join(stage.aceso.folder, 'potassium.json');
  writeFileSync(file, JSON.stringify(report, null, 2), { mode: 0o600 });
  const pushed = await push(stage, report);
  screen.command(`curl -i ${stage.aceso.fhirUrl}/DiagnosticReport -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/fhir+json" -d @potassium.json`, `HTTP/1.1 ${pushed.status} ${pushed.status === 201 ? 'Created' : ''}\nLocation: ${pushed.location}`);
  screen.check(`201 after ${duration(pushed.ms)}: committed, so it is durably Aceso's`, pushed.status === 201 && pushed.location.includes('/DiagnosticReport/'), pushed);
  return pushed;
}

export async function deviceShows(stage: Stage, screen: Screen, report: unknown, { postedAt }: Pushed): Promise<SeenMessage> {
  screen.step('What Dr. Okafor\'s device shows, at St. Anne');
  const message = await stage.ada.waitForMessage(({ type, roomId }) => type === 'm.room.message' && roomId === stage.roomId, 60_000);
  const ms = message.receivedAt - postedAt;
  showMessage(screen, message);
  screen.check(`decrypted on her device ${duration(ms)} after the laboratory's push, by matrix-js-sdk's own encryption`, message.wasEncrypted, 'it came in clear text');
  const body = String(message.content['body']);
  const wanted = [PATIENT.family, PATIENT.mrn, '6.8', 'mmol/L', '3.5', 'Okafor', 'Mercy Laboratory'];
  screen.check('it names the patient, the record number, the value with its range, the orderer and the laboratory', wanted.every((part) => body.includes(part)), wanted.filter((part) => !body.includes(part)));
  const carried = message.content['org.aceso.fhir'];
  screen.check('inside the same ciphertext rides the FHIR resource, equal to what was pushed', typeof carried === 'string' && isDeepStrictEqual(JSON.parse(carried), report), carried);
  return message;
}

export function showMessage(screen: Screen, message: SeenMessage): void {
  screen.box(`encrypted: ${message.wasEncrypted ? 'yes' : 'NO'} · ${message.sender} · ${new Date(message.receivedAt).toISOString().slice(11, 19)}Z`, String(message.content['body']).trimEnd());
  const { shieldColour, shieldReason } = message;
  screen.rows([['shield', shieldColour === 'none' ? 'no warning: the sending device is signed by its owner' : `${shieldColour}, ${shieldReason ?? 'no reason given'}`]]);
}

const SEARCHED = [PATIENT.family, PATIENT.mrn, '6.8 mmol/L', 'Potassium'];
/** Something that must be found, so that finding nothing means something. */
const CONTROL = 'm.megolm.v1.aes-sha2';

export async function disksHold({ hospitals, aceso }: Stage, screen: Screen, { eventId }: SeenMessage): Promise<void> {
  screen.step('What both homeservers hold: ciphertext');
  screen.say(`The event ${eventId} as it stands in each database:`);
  const both = [hospitals.mercy, hospitals.stAnne];
  const stored = both.map((hospital) => storedEvent(hospital, eventId));
  const ciphertexts = stored.map((event) => (event?.content as { readonly ciphertext?: string } | undefined)?.ciphertext ?? '');
  screen.rows(both.map(({ name }, index) => [name, `${stored[index]?.type ?? 'not there'}: ${ciphertexts[index]?.slice(0, 40) ?? ''}… (${ciphertexts[index]?.length ?? 0} characters)`]));
  screen.check('both hold it as m.room.encrypted, with a ciphertext and no body', stored.every((event, index) => event?.type === 'm.room.encrypted' && event.content['body'] === undefined && ciphertexts[index] !== ''), stored);
  screen.say('The search for what it says, in every row of each database and every byte of each folder:');
  const searches: (readonly [string, Search])[] = [];
  for (const hospital of both) searches.push([hospital.name, await searchHospital(hospital, [...SEARCHED, CONTROL])]);
  searches.push(['Aceso', searchFolder(join(aceso.folder, 'data'), SEARCHED)]);
  screen.rows(searches.map(([name, { rows, files, bytes, found }]) => [name, `${SEARCHED.map((word) => `"${word}" ${found[word] ?? '?'}×`).join(', ')} in ${rows > 0 ? `${rows} rows and ` : ''}${files} files (${(bytes / 1e6).toFixed(1)} MB)${found[CONTROL] === undefined ? '' : `; as a control, "${CONTROL}" ${found[CONTROL]}×`}`]));
  screen.check('name, record number, value and test are found nowhere: not in a database, a write-ahead log or a log file', searches.every(([, { found, files }]) => files > 0 && SEARCHED.every((word) => found[word] === 0)), searches);
  screen.check('the search finds what is there', searches.every(([, { found }]) => found[CONTROL] === undefined || found[CONTROL] > 0), searches);
}

type StateEvent = { readonly type: string; readonly state_key: string; readonly sender: string; readonly content: Readonly<Record<string, unknown>> };

export async function roomTakesNoClearText({ ada, roomId, hospitals }: Stage, screen: Screen): Promise<void> {
  screen.step('The room, as Ada\'s homeserver sees it');
  const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
  const state = await fetchState(hospitals.stAnne.baseUrl, `${room}/state`, ada.accessToken);
  const content = (type: string): Readonly<Record<string, unknown>> => state.find((event) => event.type === type)?.content ?? {};
  const members = state.filter(({ type }) => type === 'm.room.member').map(({ state_key: user, content: { membership } }) => `${user} (${String(membership)})`);
  const levels = content('m.room.power_levels');
  const encryption = content('m.room.encryption');
  screen.rows([
    ['room', `${roomId}, version ${String(content('m.room.create')['room_version'])}, "${String(content('m.room.name')['name'])}"`],
    ['members', members.join(', ')],
    ['encryption', `${String(encryption['algorithm'])}, new session after ${String(encryption['rotation_period_msgs'])} messages or ${Number(encryption['rotation_period_ms']) / 86_400_000} days`],
    ['who may join', `${String(content('m.room.join_rules')['join_rule'])}; history visibility ${String(content('m.room.history_visibility')['history_visibility'])}; servers ${JSON.stringify(content('m.room.server_acl')['allow'])}`],
    ['power levels', `any event ${String(levels['events_default'])}, state ${String(levels['state_default'])}, everybody ${String(levels['users_default'])}; open: ${openTypes(levels)}`],
  ]);
  screen.check('encrypted with Megolm, invite-only, version 12', encryption['algorithm'] === CONTROL && content('m.room.join_rules')['join_rule'] === 'invite' && content('m.room.create')['room_version'] === '12', state);
  screen.step('What Ada may not do: write in clear text');
  const started = performance.now();
  const clear = await matrixAnswer(hospitals.stAnne.baseUrl, `${room}/send/m.room.message/clear-text`, { method: 'PUT', token: ada.accessToken, body: { msgtype: 'm.text', body: 'Can you repeat the potassium?' } });
  const ms = performance.now() - started;
  screen.command('PUT …/send/m.room.message    # Ada tries it, at her own homeserver', `${clear.status} ${String(clear.body['errcode'])}: ${String(clear.body['error'])}`);
  screen.check(`her own homeserver asked Mercy's policy server and refused it after ${duration(ms)}, before it went anywhere (rule ${String(clear.body['org.aceso.rule'])})`, clear.status === 403 && clear.body['org.aceso.rule'] === 'clear-text', clear);
}

async function fetchState(baseUrl: string, path: string, token: string): Promise<readonly StateEvent[]> {
  const { text } = await matrix(baseUrl, path, { token }); // an array isn't taken for an object there
  return JSON.parse(String(text)) as readonly StateEvent[];
}

function openTypes({ events, users_default: everybody }: Readonly<Record<string, unknown>>): string {
  return Object.entries(events as Readonly<Record<string, number>>).filter(([, level]) => level <= Number(everybody)).map(([type]) => type).join(', ');
}
