import type { Millis, UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import { admit, refuse, type AdmissionTerms, type Pdu } from './admit.ts';
import { localAllow, localRefuse } from './localRules.ts';
import { DIRECT } from './ownRoom.ts';
import type { Member, RoomView } from './roomView.ts';
import type { Verdict } from './verdict.ts';
import { isRoomKind, type RoomKind } from './words.ts';

/** A room as the own homeserver holds it at the moment before an event would be in it. */
export type LocalRoom = {
  readonly version: string;
  readonly creator: string | undefined;
  readonly template: { readonly sender: string; readonly content: Readonly<Record<string, unknown>> } | undefined;
  /** The sender, and whom a membership is about, as far as they have been there. */
  readonly members: ReadonlyMap<string, Member>;
};

export type LocalAsked = { readonly now: Millis; readonly bytes: number; /** Who sent the event that a redaction names. */ readonly target?: UserId };

/**
 * Whether an event of the own homeserver may come into being: in rooms for PHI as the policy server judges it (`admit`), also in those that never federate and that no policy
 * server sees; elsewhere only invitations are looked at. The homeserver signs it afterwards, so there is no signature to be wrong yet.
 */
export function admitLocal(pdu: Pdu, room: LocalRoom, { now, bytes, target }: LocalAsked, terms: AdmissionTerms): Verdict {
  if (room.template === undefined) return isInvite(pdu) ? mayInvite(pdu.state_key as UserId, terms) : localAllow('not-for-phi');
  const direct = directOf(room);
  if (direct && isInvite(pdu)) return invitation(pdu, direct, terms);
  return admit(pdu, { room: viewOf(room, direct, terms), now, bytes, fields: [], hash: 'right', signature: 'right', accepted: false, writer: 'not-asked', ...(target === undefined ? {} : { target }) }, terms);
}

const mayInvite = (user: UserId, { servers }: AdmissionTerms): Verdict => (servers.includes(serverOf(user)) ? localAllow('agreed-server') : localRefuse('invite-outside'));

const isInvite = ({ type, content, state_key: user }: Pdu): boolean => type === 'm.room.member' && content['membership'] === 'invite' && user !== undefined;

/** Who joins a room in which they aren't yet, and of what kind it is: then their role is looked at, too. */
export function joinOf({ type, sender, state_key: user, content }: Pdu, { template, members }: LocalRoom): RoomKind | undefined {
  if (template === undefined || type !== 'm.room.member' || user !== sender || content['membership'] !== 'join' || members.get(sender)?.membership === 'join') return undefined;
  const { id } = template.content;
  return typeof id === 'string' && isRoomKind(id) ? id : 'results';
}

/** The two people of a room that one of them made; undefined for a room of the guardian's, and for one that only looks like either. */
function directOf({ creator, template }: LocalRoom): readonly string[] | undefined {
  if (template?.sender !== creator || template?.content['id'] !== DIRECT) return undefined;
  const { members } = template.content;
  return Array.isArray(members) && members.length === 2 && members.includes(creator) ? members.map(String) : undefined;
}

/** When it is made, and later when one calls the other back who has left: nobody else comes in. */
function invitation({ sender, state_key: user = '', content }: Pdu, direct: readonly string[], { guardian }: AdmissionTerms): Verdict {
  if (!direct.includes(sender) || !(direct.includes(user) || user === guardian)) return localRefuse('direct-for-two');
  return content['reason'] === undefined || content['reason'] === '' ? localAllow('direct-invite') : refuse('reason');
}

/** The guardian governs rooms that people made from its template as it does its own. */
function viewOf({ version, creator, template, members }: LocalRoom, direct: readonly string[] | undefined, { guardian }: AdmissionTerms): RoomView | undefined {
  const id = template?.content['id'];
  if (template === undefined || template.sender !== creator || typeof id !== 'string' || !(direct || creator === guardian)) return undefined;
  return {
    version, creator: guardian, template: id, admitted: undefined, current: new Set(),
    members: direct ? new Map([...members].map(([user, member]) => [user, direct.includes(user) ? { ...member, by: guardian } : member])) : members,
  };
}
