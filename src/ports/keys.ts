/**
 * Keys at rest. A key-encryption key wraps one data key per subject; destroying the wrapped key destroys every copy of that subject's data
 * (45 CFR 164.310(d)(2)). Pseudonyms are HMAC-SHA-256 under a key of their own: the same text gives the same name, and nobody without the
 * key can try names out.
 */
export type KeyRing = {
  /** Name of the key-encryption key in force, kept beside what it wrapped. */
  readonly keyId: string;
  wrap(dataKey: Uint8Array, subject: string): Uint8Array;
  /** Throws when the key is another one or the wrapping was changed. */
  unwrap(wrapped: Uint8Array, subject: string, keyId: string): Uint8Array;
  /** 26 lower-case base32 characters. `kind` keeps names of different things apart. */
  pseudonym(kind: string, text: string): string;
  /** A 32-byte key for a purpose of its own, e.g. the courier's store. */
  derive(purpose: string): Uint8Array;
};
