import type { PartyId, ServerName, UserId } from '../brand.ts';
import type { Standing } from '../policy/standing.ts';
import type { Identifier } from './recipient.ts';
import type { Fed } from './staff.ts';

/** Somebody who can be responsible: one person, or a team that shares a results room where the directory says so. */
export type Party = {
  readonly id: PartyId;
  readonly kind: 'person' | 'team';
  /** A staff or team name: shown to colleagues, never PHI. */
  readonly name: string;
  /** One for a person. */
  readonly members: readonly UserId[];
  readonly identifiers: readonly Identifier[];
  /** Of a person: what rules look at. A team's members have their own. */
  readonly standing?: Standing;
  /** What sources say of them, by the staff entry that says it; the last word last. With it, `standing` is what counts, and `hand` what file and commands say. */
  readonly fed?: Readonly<Record<string, Fed>>;
  readonly hand?: Standing;
};

/** The server part of a Matrix user id (appendix 4.2.1): everything after the first colon. */
export const serverOf = (userId: UserId): ServerName => userId.slice(userId.indexOf(':') + 1) as ServerName;

export const serversOf = (party: Party): readonly ServerName[] => [...new Set(party.members.map(serverOf))].sort();

/** The other server that serving this party may be kept waiting by: the first, when it is on several. */
export const destinationOf = (party: Party, ownServer: string): { readonly destination?: ServerName } => {
  const destination = serversOf(party).find((server) => server !== ownServer);
  return destination === undefined ? {} : { destination };
};

/** The name an identifier is found by. */
export const identifierName = (identifier: Identifier): string => `${identifier.system}|${identifier.value}`;

export const PARTY_SYSTEM = 'urn:aceso:party';
export const MATRIX_SYSTEM = 'urn:matrix:user';

/** The name by which the directory's entry is found, whatever else changes. */
export const entryName = (id: PartyId): string => identifierName({ system: PARTY_SYSTEM, value: id });

/** The name by which a person's entry is found from their Matrix id. */
export const personName = (userId: UserId): string => identifierName({ system: MATRIX_SYSTEM, value: userId });

/** Every name a party is found by: its id, its business identifiers, its Matrix ids (a person's alone). */
export const partyNames = (party: Party): readonly string[] => [
  entryName(party.id),
  ...party.identifiers.map(identifierName),
  ...Object.values(party.fed ?? {}).flatMap(({ identifiers }) => identifiers.map(identifierName)),
  ...(party.kind === 'person' ? party.members.map(personName) : []),
];
