/** What the policy server costs a sender: the same message to a room with one and to a room without, in turn. */
import { encryptedContent } from '../support/megolm.ts';
import { call, isPassing, roomPath, sendAs, type Person } from './person.ts';
import { enter } from './stage.ts';

export type Cost = { readonly pairs: number; readonly withPolicy: Quantiles; readonly without: Quantiles };
export type Quantiles = { readonly p50: number; readonly p95: number };

export async function costOf(pairs: number, sender: Person, reader: Person, governed: string): Promise<Cost> {
  const plain = await plainRoom(sender, reader);
  const times: { readonly governed: number[]; readonly plain: number[] } = { governed: [], plain: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    // Who comes first changes, so that neither has the other's warmth.
    const order = [['governed', governed], ['plain', plain]] as const;
    for (const [which, roomId] of pair % 2 === 0 ? order : order.toReversed()) {
      const began = performance.now();
      const { status, body } = await sendAs(sender, roomId, { type: 'm.room.encrypted', content: encryptedContent() });
      if (isPassing(status)) continue; // a bad moment of the server measures nothing
      if (status !== 200) throw new Error(`a message to measure by was refused: ${status} ${JSON.stringify(body)}`);
      times[which].push(performance.now() - began);
    }
  }
  return { pairs, withPolicy: quantilesOf(times.governed), without: quantilesOf(times.plain) };
}

/** A room of both servers that no Aceso knows. */
async function plainRoom(sender: Person, reader: Person): Promise<string> {
  const { body } = await call(sender, 'POST', '/createRoom', {
    preset: 'private_chat', invite: [reader.userId], initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  });
  const roomId = String(body['room_id']);
  await enter(reader, roomId);
  await call(reader, 'GET', roomPath(roomId, 'joined_members'));
  return roomId;
}

/** Milliseconds, to a tenth. */
export function quantilesOf(times: readonly number[]): Quantiles {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (share: number): number => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p95: at(0.95) };
}
