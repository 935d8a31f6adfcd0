/** What a homeserver, or somebody who pretends to be it, sends to the application service's door of a running Aceso. */
import type { Slot } from '../support/lab.ts';
import type { Options } from './fhir.ts';
import { mutateBytes, mutateJson, textOf } from './mutate.ts';
import { randomFrom, type Random } from './random.ts';
import { inTurns, Tally, whyNot, wrongWith, type Report } from './verdict.ts';

export type Place = { readonly slot: Slot; readonly serverName: string; /** A results room. */ readonly roomId: string; readonly userId: string };

export async function fuzzAppservice(place: Place, { inputs, seed, say }: Options): Promise<Report> {
  const tally = new Tally('appservice');
  await inTurns(inputs, 4, (done) => say(`appservice: ${done} of ${inputs}`), async (index) => {
    const random = randomFrom(seed + index);
    try {
      const answer = await request(place, random, `${seed}-${index}`);
      tally.outcome(String(answer.status));
      const wrong = wrongWith(answer.status, answer.text, (body) => typeof body['errcode'] === 'string' && typeof body['error'] === 'string');
      if (wrong !== undefined) tally.failure(seed + index, wrong);
    } catch (error) {
      tally.outcome('no answer');
      tally.failure(seed + index, `no answer: ${whyNot(error)}`);
    }
  });
  return tally.report();
}

async function request(place: Place, random: Random, id: string): Promise<{ readonly status: number; readonly text: string }> {
  const transaction = { events: Array.from({ length: 1 + random.int(3) }, (_, part) => random.pick(events(place, `${id}-${part}`))), ...(random.chance(0.3) ? { ephemeral: [random.pick(ephemera(place))] } : {}) };
  const text = Buffer.from(textOf(random.chance(0.95) ? mutateJson(transaction, random) : transaction));
  const body = random.chance(0.1) ? mutateBytes(text, random) : new Uint8Array(text);
  const path = random.chance(0.93) ? `/_matrix/app/v1/transactions/${id}` : random.pick([`/_matrix/app/v1/users/%40${place.slot.prefix}courier%3A${place.serverName}`, '/_matrix/app/v1/rooms/%23x', '/_matrix/app/v1/ping', '/_matrix/app/v1/transactions/', '/transactions/1', '/_matrix/app/v1/%E0%A4%A', '/_matrix/app/v1/thirdparty/location', '/']);
  const method = random.chance(0.95) ? 'PUT' : random.pick(['GET', 'POST', 'DELETE', 'HEAD']);
  const token = random.chance(0.96) ? `Bearer ${place.slot.hsToken}` : random.pick(['', 'Bearer', 'Bearer x', `Basic ${place.slot.hsToken}`]);
  const answer = await fetch(new URL(path, place.slot.url), { method, headers: { authorization: token, 'content-type': 'application/json' }, ...(method === 'GET' || method === 'HEAD' ? {} : { body }) });
  const answered = await answer.text();
  return { status: method === 'HEAD' && answer.status < 500 ? 200 : answer.status, text: answered };
}

function events({ roomId, userId, slot, serverName }: Place, id: string): readonly Record<string, unknown>[] {
  const base = { event_id: `$fuzz-${id}`, room_id: roomId, sender: userId, origin_server_ts: 1_795_000_000_000, unsigned: { age: 5 } };
  const member = (membership: string, of: string): Record<string, unknown> => ({ ...base, type: 'm.room.member', state_key: of, content: { membership, displayname: 'Somebody' } });
  return [
    member('join', userId), member('invite', userId), member('knock', '@stranger:elsewhere.example'), member('join', `@${slot.prefix}courier:${serverName}`),
    { ...base, type: 'm.room.encrypted', content: { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'AwgAEnACgAkLmt6qF84IK++J7UDH2Za1YVchHyprqTqsg', session_id: 'X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu+QFnm0cKQ', sender_key: 'RF3s+E7RkTQTGF2d8Deol0FkQvgII2aJDf3/Jp5mxVU', device_id: 'RJYKSTBOIE', 'm.relates_to': { 'm.in_reply_to': { event_id: '$x' } } } },
    { ...base, type: 'm.room.message', content: { msgtype: 'm.text', body: 'in clear' } },
    { ...base, type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$x', key: '👍' } } },
    { ...base, type: 'm.room.redaction', redacts: '$x', content: { redacts: '$x', reason: 'r' } },
    { ...base, type: 'm.room.tombstone', state_key: '', content: { body: 'moved', replacement_room: '!other:elsewhere.example' } },
    { ...base, type: 'm.room.power_levels', state_key: '', content: { users: { [userId]: 100 } } },
  ];
}

const ephemera = ({ roomId, userId }: Place): readonly Record<string, unknown>[] => [
  { type: 'm.receipt', room_id: roomId, content: { $x: { 'm.read': { [userId]: { ts: 1_795_000_000_000, thread_id: 'main' } } } } },
  { type: 'm.typing', room_id: roomId, content: { user_ids: [userId] } },
];
