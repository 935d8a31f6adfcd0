import type { SourceId } from '../domain/brand.ts';
import type { FileFacts, Refusal } from '../domain/clinical/attachment.ts';
import type { RemoteFile } from '../domain/clinical/remoteFile.ts';
import type { Outcome } from '../domain/outcome.ts';

/**
 * Files that sources keep on servers of their own. Only an address below the source's base, as it is configured now, is ever asked; nothing leads away from it. What is given has
 * been looked at as if it had come along. May be asked again at any time. Its failures hold no address: one may name a patient.
 */
export type SourceFiles = { fetch(source: SourceId, file: RemoteFile): Promise<Outcome<FetchedFile, SourceFileFailure>> };

/** `key` is the SHA-256 of the bytes, in hex. `refused`: it is not sent on, and asking again would not change that. */
export type FetchedFile = { readonly key: string; readonly bytes: Uint8Array; readonly facts: FileFacts } | { readonly refused: Refusal };

/** `source-away`: its server can't be reached, errs, or doesn't have the file (yet). `source-refuses`: it doesn't take what Aceso proves itself with. Both are worth another try. */
export type SourceFileFailure = 'source-away' | 'source-refuses';
