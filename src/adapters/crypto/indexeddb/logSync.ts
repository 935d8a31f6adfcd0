/** Makes what SQLite has written to its write-ahead log reach the disk, beside this thread. */
import { closeSync, existsSync, fdatasync, openSync } from 'node:fs';
import { StorageError } from './errors.ts';

export class LogSync {
  readonly #path: string;
  #file: number | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `path` of the database. The log stays the same file for as long as a connection is open. */
  constructor(path: string) {
    this.#path = `${path}-wal`;
  }

  /** Resolves when all that was committed before the call is on the disk. One runs at a time, and one that waits serves all who ask meanwhile. */
  sync(): Promise<void> {
    if (this.#running) {
      this.#next ??= this.#running.catch(() => undefined).then(() => {
        this.#next = undefined;
        return this.sync();
      });
      return this.#next;
    }
    this.#running = this.#start().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when what was asked for so far is done. */
  settled(): Promise<void> {
    return this.#next ?? this.#running ?? Promise.resolve();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #start(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#file === undefined && !existsSync(this.#path)) {
        resolve(); // in memory
        return;
      }
      this.#file ??= openSync(this.#path, 'r+');
      fdatasync(this.#file, (error) => (error ? reject(new StorageError(error)) : resolve()));
    });
  }
}
