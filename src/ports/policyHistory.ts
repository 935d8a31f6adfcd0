import type { Millis } from '../domain/brand.ts';

/** Rules that were in force, with their whole text (45 CFR 164.316(b)): `revision` is the SHA-256 of `text`. */
export type PolicyRevision = { readonly revision: string; readonly text: string; readonly firstLoadedAt: Millis; readonly lastLoadedAt: Millis };

/** Every revision that was ever loaded. Nothing is taken out. */
export type PolicyHistory = {
  /** It is in force from now on. */
  loaded(revision: string, text: string, at: Millis): Promise<void>;
  /** The one that was loaded last; undefined before the first. */
  last(): Promise<PolicyRevision | undefined>;
  /** The one loaded last first. */
  list(): Promise<readonly PolicyRevision[]>;
};
