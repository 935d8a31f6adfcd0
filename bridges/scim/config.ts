/** What a hospital sets for this bridge. The schema in src/config/ produces these types. */
import type { SourceId } from '../../src/domain/brand.ts';

export type ScimConfig = {
  /** Public address of the endpoint, without a slash at the end; `/scim/v2` when it isn't known. */
  readonly baseUrl?: string | undefined;
  readonly sources: readonly ScimSource[];
};

export type ScimSource = {
  readonly id: SourceId;
  /** How a Matrix id is made of a user's attributes, e.g. `@{userName}:mercy.example`. */
  readonly matrixId?: string | undefined;
  /** Attributes that are identifiers by which the directory may know them, and their systems. */
  readonly identifiers?: Readonly<Record<string, string>> | undefined;
  /** No limit when absent. */
  readonly requestsPerMinute?: number | undefined;
  readonly maxInFlight?: number | undefined;
};

/** A user is a page; a group with every member of a large hospital is a few hundred KiB. */
export const MAX_BYTES = 1024 * 1024;
export const DEFAULT_MAX_IN_FLIGHT = 100;
/** Resources of one page. */
export const PAGE = 200;
