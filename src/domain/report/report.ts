import type { DeliveryId, Millis, PartyId, SourceId } from '../brand.ts';
import type { Known } from '../clinical/news.ts';
import type { Party } from '../people/party.ts';
import type { Label } from '../policy/words.ts';
import type { Sealed } from '../sealed.ts';

/** One report of a laboratory over its whole life: what it said so far, and who was told. */
export type ReportState = {
  readonly source: SourceId;
  readonly known: Sealed<Known>;
  /** Everybody who had a message of it: a correction goes to all of them (42 CFR 493.1291(k)(2)). */
  readonly told: readonly Told[];
  /** Security labels that any version had: a correction shows the old values beside the new ones. */
  readonly labels?: Sealed<readonly Label[]>;
  readonly versions: number;
  readonly changedAt: Millis;
};

export type Told = { readonly delivery: DeliveryId; readonly party?: Party };

export const lastTold = (state: ReportState | undefined, party: PartyId | undefined): DeliveryId | undefined => state?.told.findLast((told) => told.party?.id === party)?.delivery;
