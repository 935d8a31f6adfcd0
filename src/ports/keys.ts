/**
 * Keys at rest. A key-encryption key wraps one data key per subject; destroying the wrapped key destroys every copy of that subject's data
 * (45 CFR 164.310(d)(2)). A ring may hold several: one wraps, all open, so that the one in force can be changed while Aceso runs.
 * Pseudonyms are HMAC-SHA-256 under a key of their own: the same text gives the same name, and nobody without the key can try names out.
 */
export type KeyRing = {
  /** Name of the key-encryption key in force, kept beside what it wrapped. Read it in the same turn as `wrap`, with no `await` between. */
  readonly keyId: string;
  /** Every key of the ring, the oldest first. */
  readonly keyIds: readonly string[];
  wrap(dataKey: Uint8Array, subject: string): Uint8Array;
  /** Throws when the ring doesn't hold this key, or the wrapping was changed. */
  unwrap(wrapped: Uint8Array, subject: string, keyId: string): Uint8Array;
  /** 26 lower-case base32 characters. `kind` keeps names of different things apart. Never changes, whatever key is in force. */
  pseudonym(kind: string, text: string): string;
  /** A 32-byte key for a purpose of its own, e.g. the courier's store. Never changes, whatever key is in force. */
  derive(purpose: string): Uint8Array;
};
