import type { Millis } from '../brand.ts';
import type { Conduct } from '../agreements/conduct.ts';
import type { AgreementKind } from './words.ts';

/** An agreement with a partner (product M6). `until` is the first instant at which it is no longer in force. */
export type Agreement = { readonly kind: AgreementKind; readonly from?: Millis; readonly until?: Millis };

/** A hospital, laboratory or practice, by the servers of its people. */
export type Organisation = {
  readonly id: string;
  /** The one that runs this Aceso. */
  readonly own: boolean;
  readonly servers: readonly string[];
  readonly agreements: readonly Agreement[];
  /** What was seen of its homeserver. */
  readonly conduct?: Conduct;
};

/** Kinds of which one is in force at that instant, sorted. */
export const inForce = ({ agreements }: Pick<Organisation, 'agreements'>, at: Millis): readonly AgreementKind[] =>
  [...new Set(agreements.filter(({ from, until }) => (from === undefined || from <= at) && (until === undefined || at < until)).map(({ kind }) => kind))].sort();
