import { ROOM_KINDS, isRoomKind, type RoomKind } from './words.ts';

/** What a hospital asks of rooms of one kind, as far as servers can see what is done there. What is inside of ciphertext no server can ask about. */
export type KindTerms = {
  /** Emoji that people may react with. */
  readonly reactions: readonly string[];
  /** Whether people may take out their own messages. */
  readonly removals: 'own' | 'never';
  /** Roles whose people may write; left out, the policy is asked about each. */
  readonly senders?: readonly string[];
};

/** Of each kind of room that it shares. A kind that isn't here is not shared. */
export type RoomTerms = Readonly<Partial<Record<RoomKind, KindTerms>>>;

/** Terms that stand in an agreement: they count where that partner's server is let in, beside the hospital's own of today. */
export type AgreedTerms = { readonly partner: string; /** Server of the hospital that asks for them: the partner, or the own one as the agreement has it. */ readonly whose: string; readonly kinds: RoomTerms };

/** What somebody does in a room. `by`: their roles; `not-asked` where who may write was settled before. */
export type Act =
  | { readonly type: 'message'; readonly by: readonly string[] | 'not-asked' }
  | { readonly type: 'reaction'; readonly key: string; readonly by: readonly string[] | 'not-asked' }
  | { readonly type: 'removal' };

/** What a hospital calls whoever comes from another one with a role there. */
const OF_A_PARTNER = 'partner-clinician';

/**
 * The act as the hospital that asks sees it. Roles are words of each hospital's own directory: its own people are partners' to us, and it judges them itself, at their
 * own server; ours, and those of third ones, are partners' to it.
 */
export function seenBy(whose: string, act: Act, { server, own }: { /** Of whoever acts. */ readonly server: string; /** Of the directory that says their roles. */ readonly own: string }): Act {
  if (act.type === 'removal' || act.by === 'not-asked' || whose === own) return act;
  return { ...act, by: server === whose ? 'not-asked' : act.by.length > 0 ? [OF_A_PARTNER] : [] };
}

export type Objection = 'kind-not-shared' | 'reaction-key' | 'removal-never' | 'sender-role';

/** What a hospital has against it; undefined: nothing. What is done in a room of several passes when none of them has anything against it. */
export function objectionTo(act: Act, kind: string, terms: RoomTerms): Objection | undefined {
  const asks = isRoomKind(kind) ? terms[kind] : undefined;
  if (!asks) return 'kind-not-shared';
  if (act.type === 'removal') return asks.removals === 'never' ? 'removal-never' : undefined;
  if (act.type === 'reaction' && !isListed(asks.reactions, act.key)) return 'reaction-key';
  const { by } = act;
  return asks.senders !== undefined && by !== 'not-asked' && !by.some((role) => asks.senders?.includes(role)) ? 'sender-role' : undefined;
}

/** What both let pass, and nothing more: the stricter of the two in everything. */
export const intersectionOf = (one: RoomTerms, other: RoomTerms): RoomTerms =>
  inOrder(Object.fromEntries(ROOM_KINDS.flatMap((kind) => { const [a, b] = [one[kind], other[kind]]; return a && b ? [[kind, stricter(a, b)]] : []; })));

function stricter(one: KindTerms, other: KindTerms): KindTerms {
  const senders = one.senders && other.senders ? one.senders.filter((role) => other.senders?.includes(role)) : one.senders ?? other.senders;
  return {
    reactions: [...one.reactions, ...other.reactions].filter((key) => isListed(one.reactions, key) && isListed(other.reactions, key)),
    removals: one.removals === 'never' || other.removals === 'never' ? 'never' : 'own',
    ...(senders ? { senders } : {}),
  };
}

/** The same terms are the same text: kinds and fields in a fixed order, lists sorted and without doubles. */
export const inOrder = (terms: RoomTerms): RoomTerms => Object.fromEntries(ROOM_KINDS.flatMap((kind) => {
  const asks = terms[kind];
  return asks ? [[kind, { reactions: sorted(asks.reactions), removals: asks.removals, ...(asks.senders ? { senders: sorted(asks.senders) } : {}) }]] : [];
}));

const sorted = (list: readonly string[]): readonly string[] => [...new Set(list)].sort();

const isListed = (reactions: readonly string[], key: string): boolean => reactions.some((emoji) => plain(emoji) === plain(key));

/** A colour of skin and the mark "as a picture" change nothing of what it says; one of each after what they change, since a row of them could spell words. */
const plain = (emoji: string): string => emoji.replaceAll(/([^\u{fe0f}\u{1f3fb}-\u{1f3ff}])(?:\u{fe0f}?[\u{1f3fb}-\u{1f3ff}]|[\u{1f3fb}-\u{1f3ff}]?\u{fe0f})/gu, '$1');
