import type { Millis, SourceId } from './brand.ts';
import type { Effect } from './effect.ts';
import type { Aggregate, AggregateKind, RaisedFact } from './fact.ts';
import type { Organisation } from './policy/agreement.ts';
import type { Judge } from './policy/question.ts';
import type { RoomTemplates } from './rooms/template.ts';

/** What a decision may know besides the state and the fact. */
export type Context = {
  readonly now: Millis;
  readonly settings: Settings;
  /** The policy in force. */
  readonly judge: Judge;
  /** What `lookups` asked for, by name. A name that is not here does not exist. */
  readonly found: ReadonlyMap<string, FoundAggregate>;
};

export type FoundAggregate = { readonly aggregate: Aggregate; readonly state: unknown };

export type Lookup = { readonly kind: AggregateKind; readonly name: string };

/** What a source's words mean in this directory: the hospital's configuration says it. */
export type FeedTerms = {
  /** Roles by code. Without any, roles are not the source's to say. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** By their names in what the source sends. Without it, neither is the organisation. */
  readonly organisations?: Readonly<Record<string, string>>;
  readonly departments?: Readonly<Record<string, string>>;
};

/** The hospital's choices, from its configuration. */
export type Settings = {
  readonly organisation: string;
  /** Tried in this order. */
  readonly recipientOrder: readonly string[];
  /** Servers that have an agreement; the own one is always among them. */
  readonly agreedServers: readonly string[];
  readonly ownServer: string;
  /** The own one and the partners, with their agreements. */
  readonly organisations: readonly Organisation[];
  /** What rooms of each kind are made from; the own server alone, and members who all may write, for one that isn't here. */
  readonly templates?: RoomTemplates;
  /** Sources that may change the directory, and what their words mean here. */
  readonly feeds?: ReadonlyMap<SourceId, FeedTerms>;
  /** How many couriers there are: a new room is given one of this many seats. */
  readonly courierSeats: number;
  /** An invitation nobody accepted is held, loudly, after this long. */
  readonly invitationPatienceMs: number;
};

export type Timer = { readonly name: string; readonly dueAt: Millis };

/** One line of what was decided and why. Never PHI: ids, codes and staff names. */
export type AuditEntry = { readonly action: string; readonly because: string; readonly detail?: Readonly<Record<string, string | number | boolean>> };

/** Everything a decision changes; committed in one transaction, or none of it is. */
export type Decision<State> = {
  readonly state: State;
  /** All the names by which this aggregate is found from now on; left out, they stay as they are. */
  readonly names?: readonly string[];
  readonly raise?: readonly RaisedFact[];
  readonly effects?: readonly Effect[];
  /** Set (replacing one of the same name) and cleared timers of this aggregate. */
  readonly timers?: readonly Timer[];
  readonly clearTimers?: readonly string[];
  /** Lanes whose waiting effects are worth another try at once. */
  readonly wake?: readonly string[];
  readonly audit: readonly AuditEntry[];
};
