/** Pushes events of rooms in which a user of the application service is, in transactions (application service API §4.1), until each is taken. */
import type { Slot } from '../slots.ts';
import { clientEvent } from './rooms.ts';
import type { Json } from './signing.ts';
import type { Room, RoomEvent, World } from './world.ts';

const MOST_EVENTS = 100;
const LONGEST_PAUSE_MS = 2000;

export type Pusher = { receipt(roomId: string, content: Json): void };

/** Pushes while `isUp` says that the server is. */
export function startPusher(world: World, slot: Slot, isUp: () => boolean): Pusher {
  const isOurs = (userId: string | undefined): boolean => userId?.startsWith(`@${slot.prefix}`) === true;
  const queue: (() => Json)[] = [];
  const ephemeral: Json[] = [];
  let transactions = 0;
  let isRunning = false;

  world.onEvent((room: Room, event: RoomEvent) => {
    if (!isOurs(event.sender) && !isOurs(event.state_key) && ![...room.members].some(([member, is]) => is === 'join' && isOurs(member))) return;
    queue.push(() => ({ ...clientEvent(event), user_id: event.sender }));
    void run();
  });

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    await new Promise((resolve) => setImmediate(resolve)); // what happens at once goes together
    while (queue.length > 0 || ephemeral.length > 0) {
      const events = queue.splice(0, MOST_EVENTS).map((event) => event());
      const edus = ephemeral.splice(0, MOST_EVENTS);
      const body = JSON.stringify({ events, ...(edus.length > 0 ? { ephemeral: edus } : {}) });
      transactions += 1;
      world.counts.transactions += 1;
      for (let pauseMs = 50; !(await put(transactions, body)); pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      }
    }
    isRunning = false;
  }

  async function put(transaction: number, body: string): Promise<boolean> {
    if (!isUp()) return false;
    try {
      const answer = await fetch(`${slot.url}/_matrix/app/v1/transactions/${transaction}`, { method: 'PUT', headers: { authorization: `Bearer ${slot.hsToken}`, 'content-type': 'application/json' }, body, signal: AbortSignal.timeout(60_000) });
      await answer.arrayBuffer();
      return answer.status === 200;
    } catch {
      return false;
    }
  }

  return {
    receipt(roomId, content) {
      ephemeral.push({ type: 'm.receipt', room_id: roomId, content });
      void run();
    },
  };
}
