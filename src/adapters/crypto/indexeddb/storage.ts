import type { DatabaseSync } from 'node:sqlite';
import { Catalog } from './catalog.ts';
import { StorageError, domError } from './errors.ts';
import { Records } from './records.ts';
import { Scheduler } from './scheduler.ts';
import type { Seal } from './seal.ts';
import type { SqliteFile, Synchronous } from './sql.ts';

/** What everything that uses one file shares. */
export class Storage {
  readonly file: SqliteFile;
  readonly catalog: Catalog;
  readonly records: Records;
  readonly scheduler = new Scheduler();
  /** For transactions of durability `default`. */
  readonly synchronous: Synchronous;
  #closing = false;
  /** Waits for the disk that are under way, and who waits for their end. */
  #syncing = 0;
  readonly #quiet: (() => void)[] = [];

  constructor(file: SqliteFile, seal: Seal, synchronous: Synchronous) {
    this.file = file;
    this.catalog = new Catalog(file);
    this.records = new Records(file, seal);
    this.synchronous = synchronous;
  }

  /** Throws InvalidStateError once it is closing. */
  checkOpen(): void {
    if (this.#closing) throw domError('InvalidStateError', `${this.file.path} is closed`);
  }

  /**
   * `work` in a SQLite transaction of its own, in turn with the IndexedDB transactions that write; on the disk when the promise
   * resolves, with all that was committed before. What `work` throws rolls it back and rejects.
   */
  async barrier<T>(work: (sql: DatabaseSync) => T): Promise<T> {
    return this.#onDisk(async () => {
      const result = await this.aside(work);
      await this.file.synced();
      return result;
    });
  }

  /** The same, but it resolves once it is committed: it outlives the process, not the machine's power. */
  async aside<T>(work: (sql: DatabaseSync) => T): Promise<T> {
    this.checkOpen();
    return new Promise<T>((resolve, reject) => {
      const unit = {
        writes: true,
        scope: new Set<number>(),
        start: () =>
          queueMicrotask(() => {
            try {
              resolve(this.file.apart(work));
            } catch (error) {
              reject(error instanceof StorageError ? error.dom : (error as Error));
            }
            this.scheduler.remove(unit);
          }),
      };
      this.scheduler.add(unit);
    });
  }

  /** What `work` reads of the caller's own tables, once it is on the disk. */
  async read<T>(work: (sql: DatabaseSync) => T): Promise<T> {
    this.checkOpen();
    return this.#onDisk(() => this.file.read(work));
  }

  async #onDisk<T>(wait: () => Promise<T>): Promise<T> {
    this.#syncing += 1;
    try {
      return await wait();
    } catch (error) {
      throw error instanceof StorageError ? error.dom : error;
    } finally {
      this.#syncing -= 1;
      if (this.#syncing === 0) for (const resolve of this.#quiet.splice(0)) resolve();
    }
  }

  /** Closes the connections, lets what runs come to its end, then closes the file. */
  async close(): Promise<void> {
    if (this.#closing) return this.scheduler.whenIdle();
    this.#closing = true;
    for (const { connections } of this.catalog.databases.values()) for (const connection of [...connections]) connection.close();
    while (!this.scheduler.isIdle) await this.scheduler.whenIdle();
    if (this.#syncing > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
    this.file.close();
  }
}
