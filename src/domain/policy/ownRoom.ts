import type { UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import { powerLevels, type RoomTemplate } from '../rooms/template.ts';
import { localRefuse } from './localRules.ts';
import type { Verdict } from './verdict.ts';
import type { RoomKind } from './words.ts';

/** What a client asked for at `createRoom` (client-server API §"Creation"). */
export type RoomWish = Readonly<Record<string, unknown>>;

export type OwnRoomTerms = { readonly guardian: UserId; readonly ownServer: string; readonly template: Pick<RoomTemplate, 'history' | 'rotation'> };

/** What a room is made with, in place of the wish; or why there is none. */
export type OwnRoomPlan = { readonly refused: Verdict } | { readonly with: UserId; readonly room: RoomWish };

export const DIRECT = 'direct' satisfies RoomKind;
/** Room version 12: the guardian is a creator beside the one who makes it, so that nobody's level is above its own. */
const VERSION = '12';
const TEXTS = ['name', 'topic', 'room_alias_name'];

/**
 * A room that somebody makes for themselves: a direct message to one colleague at the hospital's own server. It is encrypted from its first event, never leaves
 * the server, and has the guardian in it. Whatever else is wished for is refused, with what to do instead.
 */
export function planOwnRoom(user: UserId, wish: RoomWish, { guardian, ownServer, template }: OwnRoomTerms): OwnRoomPlan {
  if (wish['visibility'] === 'public' || wish['preset'] === 'public_chat') return { refused: localRefuse('public-never') };
  const invited = Array.isArray(wish['invite']) ? (wish['invite'] as readonly unknown[]) : [];
  const [other] = invited;
  if (wish['is_direct'] !== true || invited.length !== 1 || typeof other !== 'string' || other === user || isFilled(wish['invite_3pid'])) return { refused: localRefuse('room-by-command') };
  if (TEXTS.some((key) => isFilled(wish[key]))) return { refused: localRefuse('direct-with-text') };
  const colleague = other as UserId;
  if (serverOf(colleague) !== ownServer) return { refused: localRefuse('direct-across-servers') };
  return { with: colleague, room: direct([user, colleague], guardian, template) };
}

const isFilled = (value: unknown): boolean => value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

const state = (type: string, content: RoomWish): RoomWish => ({ type, state_key: '', content });

function direct(members: readonly UserId[], guardian: UserId, { history, rotation }: OwnRoomTerms['template']): RoomWish {
  return {
    room_version: VERSION, preset: 'private_chat', visibility: 'private', is_direct: true,
    invite: [...members.slice(1), guardian],
    creation_content: { 'm.federate': false, additional_creators: [guardian] },
    power_level_content_override: powerLevels(VERSION, guardian),
    initial_state: [
      state('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: rotation.periodMs, rotation_period_msgs: rotation.messages }),
      state('m.room.join_rules', { join_rule: 'invite' }),
      state('m.room.history_visibility', { history_visibility: history }),
      state('m.room.guest_access', { guest_access: 'forbidden' }),
      // Last: from here on the homeserver asks about everything in the room.
      state('org.aceso.template', { id: DIRECT, members }),
    ],
  };
}
