import type { Millis, UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import type { Organisation } from './agreement.ts';
import type { Who } from './question.ts';
import { RECIPIENT, type Posture } from './words.ts';

/** What the directory knows of a person that rules look at. Each change is a fact with its source (`party.changed`). */
export type Standing = {
  readonly roles: readonly string[];
  /** Whose staff they are, when their account is on another organisation's server. */
  readonly organisation?: string;
  readonly department?: string;
  readonly trainedAt?: Millis;
  readonly mfa?: boolean;
  readonly posture?: Posture;
  /** A source says that they are here no more: they have no role, not even that of a recipient. */
  readonly left?: true;
};

/** Whom a rule sees in somebody whom the directory names. Without a role of their own they are recipients: they get their own results, and nothing else. */
export function whoIs(userId: UserId, standing: Standing | undefined, organisations: readonly Organisation[]): Who {
  const { roles = [], organisation, posture = 'unknown', left, ...known } = standing ?? {};
  return { userId, roles: left ? [] : roles.length > 0 ? roles : [RECIPIENT], organisation: organisationOf(userId, organisation, organisations), posture, ...known };
}

/** Somebody whom the directory doesn't know: no role, so nothing is allowed. */
export const stranger = (userId: UserId, organisations: readonly Organisation[]): Who => ({ userId, roles: [], organisation: organisationOf(userId, undefined, organisations), posture: 'unknown' });

/** The one they belong to; by their server when nothing is said. One that isn't known has no agreement. */
function organisationOf(userId: UserId, id: string | undefined, organisations: readonly Organisation[]): Organisation {
  const server = serverOf(userId);
  const found = id === undefined ? organisations.find(({ servers }) => servers.includes(server)) : organisations.find((each) => each.id === id);
  return found ?? { id: id ?? server, own: false, servers: [], agreements: [] };
}
