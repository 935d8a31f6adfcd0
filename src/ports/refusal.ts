import type { SourceId } from '../domain/brand.ts';

/** Something that a door didn't take. Codes only; the peer's address becomes a pseudonym before it is kept. */
export type Refusal = {
  /** Which door: a bridge's name, `auth`, `appservice`, `http`. */
  readonly door: string;
  readonly code: string;
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  readonly source?: SourceId;
  readonly peer?: string;
};
