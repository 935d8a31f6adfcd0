import type { Millis, RoomId, UserId } from '../brand.ts';
import { inOrder, type AgreedTerms } from '../policy/roomTerms.ts';
import type { RoomKind } from '../policy/words.ts';
import type { PolicyIdentity } from '../rooms/protection.ts';
import { isInForce, statusOf, type Entry, type Register } from './register.ts';
import { endOf, keepersInOrder, type Keepers, type RoomDemands } from './terms.ts';

type Agreements = Pick<Register, 'server' | 'agreements'>;

/**
 * What both sides ask of shared rooms, by all agreements in force with that partner: a renewal that overlaps can't loosen what the other still says. Where none is in
 * force any more, the last one goes on saying it, for as long as its people are led out.
 */
export const agreedTermsOf = (register: Agreements, at: Millis): readonly AgreedTerms[] =>
  counting(register, at).flatMap(({ terms }) => (terms.rooms ?? []).map(({ server, kinds }) => ({ partner: register.server, whose: server, kinds })));

/** Whether people of that partner may be in rooms of a kind, as far as the partner says. */
export const sharesKind = (register: Agreements, kind: RoomKind, at: Millis): boolean => agreedTermsOf(register, at).every(({ kinds }) => kinds[kind] !== undefined);

/** How far the hospital's own rules have moved from what an agreement in force has of it. */
export type Drift = { readonly entry: Entry; /** `rules`: another revision, that asks the same of shared rooms. */ readonly differs: 'rooms' | 'rules' };

export function driftOf(register: Agreements, own: RoomDemands, at: Millis): readonly Drift[] {
  return register.agreements.filter((entry) => isInForce(entry, at)).flatMap((entry): readonly Drift[] => {
    const stated = entry.terms.rooms?.find(({ server }) => server === own.server);
    if (!stated) return [];
    if (!isSameDemand(stated, own)) return [{ entry, differs: 'rooms' }];
    return stated.policy === own.policy ? [] : [{ entry, differs: 'rules' }];
  });
}

/** Whether what an agreement states is what is asked now, by whatever revision of rules. Keepers that it doesn't name are not asked about. */
export const isSameDemand = (stated: RoomDemands, now: RoomDemands): boolean =>
  JSON.stringify(inOrder(stated.kinds)) === JSON.stringify(inOrder(now.kinds)) && (stated.keepers === undefined || (now.keepers !== undefined && isSame(stated.keepers, now.keepers)));

const isSame = (one: Keepers, other: Keepers): boolean => JSON.stringify(keepersInOrder(one)) === JSON.stringify(keepersInOrder(other));

/** What is agreed with a partner for when the policy server of one of the two is away. */
export type Standby = { readonly partner: string; readonly theirs: Keepers; readonly own: Keepers };

/** By the newest agreement in force that names both sides' keepers; undefined: no room can be handed over. */
export function standbyOf(register: Agreements, at: Millis): Standby | undefined {
  const named = register.agreements.filter((entry) => isInForce(entry, at)).sort((one, other) => other.addedAt - one.addedAt).flatMap(({ terms: { rooms = [] } }): readonly Standby[] => {
    const theirs = rooms.find(({ server }) => server === register.server)?.keepers;
    const own = rooms.find(({ server }) => server !== register.server)?.keepers;
    return theirs && own ? [{ partner: register.server, theirs, own }] : [];
  });
  return named[0];
}

/** Whom that partner had stand by, by any agreement, over or not. */
export const keepersEver = ({ server: partner, agreements }: Agreements): readonly UserId[] =>
  [...new Set(agreements.flatMap(({ terms: { rooms = [] } }) => rooms.flatMap(({ server, keepers }) => (server === partner && keepers ? [keepers.guardian, keepers.policyServer.userId] : []))))];

/** Whose policy server is to judge in a room that was handed to that partner; undefined: the own one's, also where the agreement says it no more. */
export const handedTo = (register: Register, roomId: RoomId, at: Millis): PolicyIdentity | undefined => (register.handed?.[roomId] ? standbyOf(register, at)?.theirs.policyServer : undefined);

function counting({ agreements }: Agreements, at: Millis): readonly Entry[] {
  const inForce = agreements.filter((entry) => isInForce(entry, at));
  if (inForce.length > 0) return inForce;
  return agreements.filter((entry) => statusOf(entry, at) !== 'offered').sort((one, other) => endOf(other.terms) - endOf(one.terms)).slice(0, 1);
}
