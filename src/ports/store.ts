/**
 * The one database around which the loop turns. Contract (test/contract/store, run on SQLite and on PostgreSQL):
 * what a promise here resolves is committed; what it rejects left no trace; a claim is a lease with a generation, and a stale holder's
 * commit is refused (`false`), never merged.
 */
import type { BlobId, EffectId, FactId, Millis, SourceId } from '../domain/brand.ts';
import type { AuditEntry, Decision, FoundAggregate, Lookup } from '../domain/decision.ts';
import type { DeliveryState } from '../domain/delivery/delivery.ts';
import type { Effect } from '../domain/effect.ts';
import type { Aggregate, AggregateKind, Fact, FactBody } from '../domain/fact.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Sealed } from '../domain/sealed.ts';
import type { Remember } from './once.ts';

/** A fact as it comes in. `key` is unique for its source: the same key again is the same fact (invariant 2). */
export type IncomingFact = {
  readonly source: SourceId | 'matrix' | 'operator' | 'effect' | 'timer';
  readonly key: string;
  readonly aggregate: Aggregate;
  readonly body: FactBody;
  readonly at: Millis;
  /** Names by which the sender may ask for it later (`If-None-Exist`); the newest fact of a name is one version more than the one before. */
  readonly names?: readonly string[];
  /** Bytes that the fact speaks of, stored with it, once for each id. */
  readonly blobs?: readonly Blob[];
};

/** Bytes of an attachment, sealed under the key of whom they are about. */
export type Blob = { readonly id: BlobId; readonly content: Sealed<Uint8Array> };

export type Taken = { readonly id: FactId; readonly version: number; readonly created: boolean };

/** Work that one worker holds until `until`: `generation` fences a commit by whoever held it before. */
export type Claim<T> = { readonly work: T; readonly generation: number; readonly attempts: number };

export type EffectClaim = Claim<Effect> & {
  readonly aggregate: Aggregate;
  /** Why it failed last, when it did. */
  readonly lastCode?: string;
  /** When it was first decided. */
  readonly createdAt: Millis;
  /** When it was asked for last: patience goes by it. */
  readonly askedAt: Millis;
};

/** Which effects are meant by the other server that they may wait for (`Effect.destination`): all but those of some, or those of one, or (undefined) those that wait for none. */
export type Destinations = { readonly except: readonly string[] } | { readonly only: string | undefined };

/** One effect, or those whose body has one of these texts as a value, e.g. a user's id. */
export type Among = { readonly effect: EffectId } | { readonly naming: readonly string[] };

/**
 * A right that one worker has at a time. `generation` rises with each new holder, so that a stale one can be refused: whoever writes in the
 * lease's name gives it along (`saveSeat`), or keeps the generation beside what is written.
 */
export type Lease = { readonly name: string; readonly worker: string; readonly generation: number };

/** A lease as anybody sees it: whose it is, if somebody's, and till when unless it is renewed. */
export type KnownLease = { readonly name: string; readonly worker: string | undefined; readonly generation: number; readonly until: Millis };

/** A courier's seat: which Matrix device sits there now, since when, and in which crypto store its keys are. */
export type Seat = { readonly seat: number; readonly deviceId: string; readonly storeId: string; readonly bornAt: Millis };

/** `waiting`: how many effects need the device on this seat. */
export type SeatInUse = { readonly seat: number; readonly waiting: number };

/** A process of Aceso: what it does, where its health can be asked, and when it last said that it lives. */
export type WorkerSeen = { readonly id: string; readonly roles: readonly string[]; readonly address: string; readonly startedAt: Millis; readonly seenAt: Millis };

/** A courier's seat as it is seen: who holds it, until when without a sign of life, and which device sits there. */
export type SeatSeen = { readonly seat: number; readonly worker?: string; readonly until?: Millis; readonly generation?: number; readonly deviceId?: string };

/** Claims that a worker is at work on. */
export type InHand = { readonly facts: readonly FactId[]; readonly effects: readonly EffectId[] };

export type EffectSettlement =
  | { readonly state: 'done'; readonly fact: FactBody }
  | { readonly state: 'waiting'; readonly notBefore: Millis; readonly code: string; readonly fact?: FactBody }
  | { readonly state: 'failed'; readonly code: string; readonly fact: FactBody };

/** A line of the audit beside those of decisions. Never PHI. */
export type AuditNote = AuditEntry & { readonly at: Millis; readonly kind: 'door' | 'courier' | 'config' | 'agreement'; /** The source, or the door when it isn't known; the courier's seat; the worker whose configuration it is; the partner. */ readonly aggregate: string };

export type Store = {
  /** The time by which leases and timers go: the database's own, so that workers agree whose machines don't. On SQLite, this machine's. */
  clock(): Promise<Millis>;
  /** Stores facts, all or none, each once. */
  receive(facts: readonly IncomingFact[]): Promise<readonly Taken[]>;
  /** Undefined when there are no such bytes, or they can't be opened: their key was destroyed, or they were changed. */
  blob(id: BlobId): Promise<Sealed<Uint8Array> | undefined>;
  /** Keeps bytes that came after their fact; kept before, they are the same: their id is a hash of them. When it resolves they are committed. */
  keep(blob: Blob, at: Millis): Promise<void>;
  findByName(source: SourceId, name: string): Promise<readonly Taken[]>;

  /** Undecided facts, the oldest of each aggregate only, leased to `worker`. */
  claimFacts(worker: string, now: Millis, leaseMs: number, limit: number): Promise<readonly Claim<Fact>[]>;
  /** What waits to be decided about aggregates of a kind, in its order; none that can't be opened. */
  undecidedOf(kind: AggregateKind): Promise<readonly Pick<Fact, 'aggregate' | 'body'>[]>;
  /** How many facts wait to be decided, up to `limit`. Those that were put off don't count, nor what waits behind them. */
  undecided(limit: number): Promise<number>;
  /** What a fact of this aggregate is decided on: its state, and what is to be looked up for that. It may not be on the disk yet: whatever comes of it is committed after it. */
  weigh(aggregate: Aggregate, lookups: (state: unknown) => readonly Lookup[]): Promise<{ readonly before?: { readonly state: unknown; readonly version: number }; readonly found: ReadonlyMap<string, FoundAggregate> }>;
  load(aggregate: Aggregate): Promise<{ readonly state: unknown; readonly version: number } | undefined>;
  lookup(lookups: readonly Lookup[]): Promise<ReadonlyMap<string, FoundAggregate>>;
  /** State, names, audit, effects, timers, raised facts and the fact's own mark, in one transaction. False when the lease was lost. */
  commit(claim: Claim<Fact>, version: number, decision: Decision<unknown>): Promise<boolean>;
  /** A decision threw: the fact waits, is counted, and shows among what is held. */
  defer(claim: Claim<Fact>, code: string, notBefore: Millis): Promise<void>;

  /**
   * Effects that are due, the oldest of each lane only, leased to `worker`. Those that need a device (`Effect.seat`) go to who holds its seat:
   * `seats` are the ones that this worker holds now.
   */
  claimEffects(worker: string, now: Millis, leaseMs: number, limit: number, seats: readonly number[], destinations?: Destinations): Promise<readonly EffectClaim[]>;
  /** Records what became of an effect, and the fact that tells, in one transaction. False when the lease was lost. */
  settle(claim: Claim<Effect>, aggregate: Aggregate, settlement: EffectSettlement, now: Millis): Promise<boolean>;
  /** Makes the leases of what `worker` has in hand run on; those of what it let go, or had in hand when it died, end by themselves. */
  renew(worker: string, inHand: InHand, now: Millis, leaseMs: number): Promise<void>;
  /** Makes effects that wait for this reason due now: all of them, or those `among` them. */
  wake(code: string, now: Millis, among?: Among): Promise<void>;
  /** Turns due timers into facts; gives how many. */
  tick(now: Millis, limit: number): Promise<number>;

  /** Takes a free lease or one that ran out (one generation more), or renews one's own (the same generation). Undefined: it is somebody else's. */
  lease(name: string, worker: string, now: Millis, leaseMs: number): Promise<Lease | undefined>;
  /** Frees a lease for the next worker at once; does nothing when it is somebody else's by now. */
  release(lease: Lease): Promise<void>;
  /** The leases whose names begin so, those that ran out or are free too. */
  leases(prefix: string): Promise<readonly KnownLease[]>;
  seat(seat: number): Promise<Seat | undefined>;
  /** In one transaction with the check that the lease is still ours, and with its line in the audit. False: the lease was lost, and nothing was written. */
  saveSeat(lease: Lease, seat: Seat, audit?: AuditNote): Promise<boolean>;
  /** Nobody sits there any more. As `saveSeat`. */
  removeSeat(lease: Lease, seat: number, audit?: AuditNote): Promise<boolean>;
  /** The seats from this number on that have a device, or that effects wait for. */
  seatsFrom(seat: number): Promise<readonly SeatInUse[]>;
  /** Secrets of Aceso itself, wrapped under the key ring, e.g. the private keys of the courier's cross-signing identity. */
  secret(name: string): Promise<Uint8Array | undefined>;
  /** As `saveSeat`. */
  saveSecret(lease: Lease, name: string, value: Uint8Array): Promise<boolean>;

  /** Says that a worker lives. For people who look: no right comes of it. */
  present(worker: WorkerSeen): Promise<void>;
  /** It stopped in order. */
  absent(worker: string): Promise<void>;
  workers(): Promise<readonly WorkerSeen[]>;
  seats(): Promise<readonly SeatSeen[]>;

  remember: Remember;
  /** Adds lines to the audit that no decision made: what a door refused. */
  audit(notes: readonly AuditNote[]): Promise<void>;

  deliveries(filter: { readonly held?: boolean; readonly limit: number }): Promise<readonly DeliveryState[]>;
  /** By id or a unique beginning of it. */
  delivery(idOrPrefix: string): Promise<readonly DeliveryState[]>;
  states(kind: AggregateKind): Promise<readonly unknown[]>;
  deferred(): Promise<readonly { readonly id: FactId; readonly aggregate: Aggregate; readonly type: string; readonly code: string; readonly attempts: number; readonly at: Millis }[]>;
  /** When this source last sent something that was new. */
  lastFrom(source: SourceId): Promise<Millis | undefined>;
  counts(now: Millis): Promise<StoreCounts>;
  /** Whether the database takes a write now; if not, why, and what to do. */
  check(): Promise<Outcome<void>>;
  close(): Promise<void>;
};

export type StoreCounts = {
  readonly undecided: number;
  readonly oldestUndecidedMs: number;
  readonly effects: number;
  readonly waitingEffects: number;
  readonly deliveries: Readonly<Record<string, number>>;
  readonly held: number;
};
