/** The DOMException names of W3C Indexed Database API 3.0 that this implementation gives. */
export type ErrorName =
  | 'AbortError'
  | 'ConstraintError'
  | 'DataCloneError'
  | 'DataError'
  | 'InvalidAccessError'
  | 'InvalidStateError'
  | 'NotFoundError'
  | 'QuotaExceededError'
  | 'ReadOnlyError'
  | 'SyntaxError'
  | 'TransactionInactiveError'
  | 'UnknownError'
  | 'VersionError';

export function domError(name: ErrorName, message: string, cause?: unknown): DOMException {
  return cause === undefined ? new DOMException(message, name) : new DOMException(message, { name, cause });
}

/** An error of the storage below (SQLite, sealing) rather than of the caller: the transaction it happens in cannot go on. */
export class StorageError extends Error {
  readonly dom: DOMException;

  constructor(cause: unknown) {
    const dom = storageException(cause);
    super(dom.message, { cause });
    this.name = 'StorageError';
    this.dom = dom;
  }
}

/** What a request or transaction shows for `error`: a DOMException passes, anything else is wrapped. */
export function asDomException(error: unknown): DOMException {
  if (error instanceof DOMException) return error;
  if (error instanceof StorageError) return error.dom;
  return storageException(error);
}

const SQLITE_FULL = 13;

function storageException(error: unknown): DOMException {
  const text = error instanceof Error ? error.message : String(error);
  const full = sqliteCode(error) === SQLITE_FULL;
  return domError(full ? 'QuotaExceededError' : 'UnknownError', full ? `no space left for the database: ${text}` : text, error);
}

/** SQLite's primary result code (https://sqlite.org/rescode.html), if `error` came from SQLite. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
