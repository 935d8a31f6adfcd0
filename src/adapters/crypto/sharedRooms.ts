/**
 * Who is joined to a room with us. Of them, and of nobody else, the homeserver tells when their devices change (client-server API
 * §11.12.2.2): what is known of anybody else, the invited above all, is old as soon as it has come.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { RoomId, UserId } from '../../domain/brand.ts';
import { asArray, asRecord } from './homeserver.ts';
import type { Store } from './store.ts';

export type SharedRooms = {
  /** Whether the homeserver tells of changes of this person's devices. */
  with(userId: UserId): boolean;
  /** What a sync says, for `apply` to write in the transaction in which its place in the stream is written; gives who came. */
  read(answer: Readonly<Record<string, unknown>>): { readonly came: readonly UserId[]; apply(sql: DatabaseSync): void };
  /** Somebody left a room, as others than the sync tell. */
  left(userId: UserId, roomId: RoomId): Promise<void>;
  /** These people share no room with us any more. */
  lost(userIds: readonly UserId[]): Promise<void>;
};

type Change = { readonly userId: UserId; readonly roomId: RoomId; readonly is: 'joined' | 'gone' };

export async function createSharedRooms(store: Store): Promise<SharedRooms> {
  const rooms = new Map<UserId, Set<RoomId>>();
  const add = (userId: UserId, roomId: RoomId): unknown => rooms.get(userId)?.add(roomId) ?? rooms.set(userId, new Set([roomId]));
  const remove = (userId: UserId, roomId: RoomId): void => {
    const of = rooms.get(userId);
    of?.delete(roomId);
    if (of?.size === 0) rooms.delete(userId);
  };
  const rows = await store.durable((sql) => sql.prepare('SELECT user_id, room_id FROM courier_shared_room').all());
  for (const row of rows) add(row['user_id'] as UserId, row['room_id'] as RoomId);

  const write = (sql: DatabaseSync, changes: readonly Change[]): void => {
    const insert = sql.prepare('INSERT OR IGNORE INTO courier_shared_room (user_id, room_id) VALUES (?, ?)');
    const drop = sql.prepare('DELETE FROM courier_shared_room WHERE user_id = ? AND room_id = ?');
    for (const { userId, roomId, is } of changes) (is === 'joined' ? insert : drop).run(userId, roomId);
    for (const { userId, roomId, is } of changes) {
      if (is === 'joined') add(userId, roomId);
      else remove(userId, roomId);
    }
  };
  const leave = async (changes: readonly Change[]): Promise<void> => {
    if (changes.length > 0) await store.durable((sql) => write(sql, changes));
  };

  return {
    with: (userId) => rooms.has(userId),
    read(answer) {
      const { join, leave: leftRooms } = asRecord(answer['rooms']);
      const gone = Object.keys(asRecord(leftRooms)) as RoomId[];
      const changes = [
        ...Object.entries(asRecord(join)).flatMap(([roomId, room]) => membersOf(roomId as RoomId, asRecord(room))),
        ...gone.flatMap((roomId) => [...rooms].filter(([, of]) => of.has(roomId)).map(([userId]): Change => ({ userId, roomId, is: 'gone' }))),
      ];
      const came = changes.filter(({ userId, is }) => is === 'joined' && !rooms.has(userId)).map(({ userId }) => userId);
      return { came: [...new Set(came)], apply: (sql) => write(sql, changes) };
    },
    left: (userId, roomId) => leave(rooms.get(userId)?.has(roomId) === true ? [{ userId, roomId, is: 'gone' }] : []),
    lost: (userIds) => leave(userIds.flatMap((userId) => [...rooms.get(userId) ?? []].map((roomId): Change => ({ userId, roomId, is: 'gone' })))),
  };
}

function membersOf(roomId: RoomId, room: Readonly<Record<string, unknown>>): readonly Change[] {
  const events = [...asArray(asRecord(room['state'])['events']), ...asArray(asRecord(room['timeline'])['events'])].map(asRecord);
  return events.flatMap((event): readonly Change[] => {
    const { type, state_key: userId } = event;
    if (type !== 'm.room.member' || typeof userId !== 'string') return [];
    return [{ userId: userId as UserId, roomId, is: asRecord(event['content'])['membership'] === 'join' ? 'joined' : 'gone' }];
  });
}
