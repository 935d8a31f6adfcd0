import type { Millis, UserId } from '../brand.ts';
import { inOrder, type RoomTerms } from '../policy/roomTerms.ts';
import type { AgreementKind } from '../policy/words.ts';
import type { PolicyIdentity } from '../rooms/protection.ts';

/** What an agreement lets happen. `results`: clinical results are delivered to the partner's people, in their results rooms. */
export const SCOPES = ['results'] as const;
export type Scope = (typeof SCOPES)[number];

export type AgreementParty = {
  /** Matrix server name of its people. */
  readonly server: string;
  readonly name: string;
};

/** Who speaks for one of the two in rooms, without being asked who they are: its guardian, its courier and its policy server. Each stands by for the other's where both are named. */
export type Keepers = { readonly guardian: UserId; readonly courier: UserId; readonly policyServer: PolicyIdentity };

/** What one of the two asks of rooms that both share: by its rules, of that revision, and its templates. `keepers`: its policy server stands by for the other's. */
export type RoomDemands = { readonly server: string; readonly policy: string; readonly kinds: RoomTerms; readonly keepers?: Keepers };

/**
 * What two organisations agreed on (product M6; 45 CFR 164.308(b)(1), 164.314(a), 164.504(e); 42 CFR 2.11). Treatment between providers needs trust, not a
 * business associate contract (160.103). Never PHI.
 */
export type Terms = {
  readonly id: string;
  readonly kind: AgreementKind;
  /** The two of them, in the order of their servers. */
  readonly parties: readonly [AgreementParty, AgreementParty];
  readonly scope: readonly Scope[];
  /** First and last day on which it is in force (UTC), e.g. 2027-12-31. */
  readonly from: string;
  readonly until: string;
  /** Revision of the rules by which who drafted it decides. */
  readonly policy: string;
  /** Of each of the two; absent in agreements from before there were any: then each room is under the rules of whose it is. */
  readonly rooms?: readonly RoomDemands[];
};

/** The signatures of both over the same terms, each a compact JWS (RFC 7515): the partner's, and the hospital's own. */
export type Signatures = { readonly partner: string; readonly own: string };

const DAY_MS = 86_400_000;

export const beginOf = ({ from }: Terms): Millis => Date.parse(from) as Millis;
/** The first instant at which it is no longer in force. */
export const endOf = ({ until }: Terms): Millis => (Date.parse(until) + DAY_MS) as Millis;

/** The bytes that both sign: always the same ones for the same terms, whatever order a file has them in. */
export const claimsOf = ({ id, kind, parties, scope, from, until, policy, rooms }: Terms): string => JSON.stringify({
  id, kind, parties: [...parties].sort(byServer).map(({ server, name }) => ({ server, name })), scope: [...scope].sort(), from, until, policy,
  ...(rooms === undefined ? {} : { rooms: [...rooms].sort(byServer).map(({ server, policy: revision, kinds, keepers }) => ({ server, policy: revision, kinds: inOrder(kinds), ...(keepers === undefined ? {} : { keepers: keepersInOrder(keepers) }) })) }),
});

/** The same keepers are the same text. */
export const keepersInOrder = ({ guardian, courier, policyServer: { serverName, userId, publicKey } }: Keepers): Keepers => ({ guardian, courier, policyServer: { serverName, userId, publicKey } });

export const byServer = ({ server: one }: Pick<AgreementParty, 'server'>, { server: other }: Pick<AgreementParty, 'server'>): number => (one < other ? -1 : one > other ? 1 : 0);

/** The other one; undefined when the hospital is none of the two, or both. */
export function partnerIn({ parties }: Terms, ownServer: string): AgreementParty | undefined {
  const others = parties.filter(({ server }) => server !== ownServer);
  return others.length === 1 ? others[0] : undefined;
}
