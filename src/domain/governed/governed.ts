import type { Millis, RoomId, ServerName, SubjectId, UserId } from '../brand.ts';
import type { Membership } from '../fact.ts';
import type { RoomKind } from '../policy/words.ts';
import type { Finding } from '../rooms/assess.ts';

/** A room in which people talk: made and held to its template by the guardian, with no member that is a server and could read it. */
export type GovernedRoom = {
  readonly key: string;
  readonly template: RoomKind;
  readonly phase: 'creating' | 'ready';
  readonly roomId?: RoomId;
  /** Its rooms of before, the oldest first: closed. */
  readonly former?: readonly RoomId[];
  /** Another, of this version, is being made in its place, for people of these servers. */
  readonly replacing?: { readonly servers: readonly ServerName[]; readonly to?: string };
  /** Those of its people; no other is admitted. */
  readonly servers: readonly ServerName[];
  /** Whether it can leave the hospital: settled when it is made, whoever comes and goes. */
  readonly made?: 'federated' | 'local';
  /** Whom the operator asked for. */
  readonly people: readonly UserId[];
  /** Those of them whom the policy lets in, and those it doesn't, with what to do. */
  readonly admitted: readonly UserId[];
  readonly refused: readonly { readonly userId: UserId; readonly rules: readonly string[]; readonly message: string }[];
  /** Who may write, where the template doesn't let everybody. */
  readonly speakers: readonly UserId[];
  readonly inCare?: 'attested';
  /** Whom it is about, by pseudonym: in whose care they are, sources say, and only those are let in. Never anybody else from then on. */
  readonly patient?: SubjectId;
  readonly members: Readonly<Record<string, Membership>>;
  /** How often each was invited: part of the invitation's effect id. */
  readonly invitations: Readonly<Record<string, number>>;
  /** Who changed a setting last, by its type, until it is put back: then they are told. */
  readonly changedBy?: Readonly<Record<string, UserId>>;
  /** When it will be looked at: what comes until then needs no look of its own. */
  readonly lookAt?: Millis;
  /** What the last look found, and when that was. */
  readonly looked?: { readonly at: Millis; readonly findings: readonly Finding[] };
  readonly blocked?: { readonly code: string; readonly message: string };
};
