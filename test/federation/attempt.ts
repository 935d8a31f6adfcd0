/** One event that was tried, and what became of it at its sender's. What became of it elsewhere, the hospitals show. */
export type Attempt = {
  readonly number: number;
  readonly kind: string;
  readonly way: string;
  readonly allowed: boolean;
  readonly roomId: string;
  readonly marker: string;
  readonly sentAt: number;
  /** Undefined when the sender's own server refused it, or didn't answer. */
  readonly eventId?: string;
  /** An event that it would remove, if it were accepted. */
  readonly removes?: string;
  /** What the sender's own server said; 0 when it said nothing. */
  readonly status?: number;
  /** Why it was refused: a rule's id, or an error code. */
  readonly refused?: string;
  /** The kind that was forged beside it. */
  readonly beside?: string;
};

/** What the clients of one server are shown. */
export type Shown = {
  readonly server: string;
  /** Event ids, and how often `/messages` gives each. */
  readonly events: ReadonlyMap<string, number>;
  /** Those of which nothing but a redacted form is left. */
  readonly redacted: ReadonlySet<string>;
  /** Event ids of the current state. */
  readonly state: ReadonlySet<string>;
  /** Markers found in whatever text. */
  readonly markers: ReadonlySet<string>;
};

/** What `/sync` showed while it went on. What came emptied already doesn't count. */
export type Seen = { readonly server: string; /** Event id, or marker → when it was first seen; ms since 1970. */ readonly at: ReadonlyMap<string, number>; /** Event id → when its removal was seen. */ readonly removedAt: ReadonlyMap<string, number> };
