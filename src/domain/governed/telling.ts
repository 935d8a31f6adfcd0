import type { FactId, UserId } from '../brand.ts';
import type { AuditEntry, Context, Decision } from '../decision.ts';
import { ROOM_RULES, type RoomRule } from '../rooms/assess.ts';
import { tell, type Notice } from '../rooms/notice.ts';
import type { GovernedRoom } from './governed.ts';

type Said = Pick<Decision<GovernedRoom>, 'raise' | 'audit'>;
type Refusal = GovernedRoom['refused'][number];

/** The room as its people know it: the template's name, and the hospital's own key. Neither is PHI. */
export const wordsFor = ({ template, key }: Pick<GovernedRoom, 'template' | 'key'>, { settings }: Pick<Context, 'settings'>): string => `the room "${settings.templates?.get(template)?.name ?? template}" (${key})`;

/**
 * The guardian took somebody out who isn't admitted. Said when its event comes back from the homeserver, which it does once for each time, whichever look found them and
 * whatever was killed meanwhile.
 */
export function takenOut(room: GovernedRoom, userId: UserId, cause: string, context: Context): Said {
  const { message, rules } = room.refused.find((each) => each.userId === userId) ?? NOT_ASKED;
  return tell({ id: `out:${cause}`, userId, text: `You are no longer in ${wordsFor(room, context)}, nor invited to it. ${message} [${rules.join(' ')}]` }, context.found);
}

const NOT_ASKED: Pick<Refusal, 'message' | 'rules'> = { message: 'Only those for whom it was made are in it. If your work needs it, ask your IT department to have you added.', rules: ['not-asked'] };

/** Whom the policy newly refuses, and who was not in the room: those who were are told when they are out. */
export function turnedAway(before: GovernedRoom, refused: readonly Refusal[], fact: FactId, context: Context): Said {
  const news = refused.filter(({ userId }) => before.members[userId] === undefined && !before.refused.some((known) => known.userId === userId));
  const notices = news.map(({ userId, message, rules }): Notice => ({ id: `refused:${fact}:${userId}`, userId, text: `You were not invited to ${wordsFor(before, context)}. ${message} [${rules.join(' ')}]` }));
  return all(notices.map((notice) => tell(notice, context.found)));
}

/** Somebody changed what the guardian has put back by now. */
export const putBack = (room: GovernedRoom, userId: UserId, rule: RoomRule, fact: FactId, context: Context): Said =>
  tell({ id: `put-back:${fact}`, userId, text: `You changed ${wordsFor(room, context)}, and it was put back: ${ROOM_RULES[rule].say}. If it must be otherwise, ask your IT department. [${rule}]` }, context.found);

const all = (said: readonly Said[]): Said => ({ raise: said.flatMap(({ raise = [] }) => raise), audit: said.flatMap(({ audit }): readonly AuditEntry[] => audit) });
