import { as, type BlobId, type SubjectId } from '../domain/brand.ts';
import type { KeyRing } from '../ports/keys.ts';

/** What bytes of a patient are kept as: a keyed hash of both, so that they are kept once, and tell nothing. `key` is the SHA-256 of the bytes. */
export const blobId = (keys: Pick<KeyRing, 'pseudonym'>, subject: SubjectId, key: string): BlobId => as<BlobId>(keys.pseudonym('blob', `${subject} ${key}`));
