/** What the group needs of one SQLite connection. */
export type GroupFile = {
  exec(sql: string): void;
  /** Whether a transaction is open: SQLite itself rolls one back when the disk is full or fails. */
  readonly isTransaction: boolean;
  /** Resolves when all that was committed before the call is on the disk. */
  sync(): Promise<void>;
};

/**
 * `relaxed`: what the unit wrote may be lost with the machine's power; what it read, may not. `early`: what is read may be lost, with the power or
 * with a commit that fails. For decisions only: their own state is checked by its version when they commit, and what else they looked up is decided again if it was lost.
 */
export type Manner = 'durable' | 'relaxed' | 'early';

type Group = {
  units: number;
  /** Units whose own writes must reach the disk. */
  durable: number;
  readonly logged: PromiseWithResolvers<undefined>;
  readonly written: PromiseWithResolvers<undefined>;
};

/** A group takes no more units than this: the first must not wait for ever. */
const MOST_UNITS = 64;

/** How long a unit waits for another program that writes; milliseconds. */
const PATIENCE_MS = 5000;

/** SQLITE_BUSY, in any of its kinds (sqlite.org/rescode.html). */
const isBusy = (error: unknown): boolean => error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === 5;

/**
 * Several transactions of one process ("units") in one transaction of SQLite, and one write to the disk for all of them, made beside the main
 * thread (docs/decisions/0009). Units run one after the other, each under a savepoint of its own, so that one that fails takes nothing from
 * the others. Nothing that a unit wrote or read is given out before it is on the disk: when that fails, all of the group fail.
 */
export class GroupCommit {
  readonly #file: GroupFile;
  readonly #turns: (() => void)[] = [];
  #isBusy = false;
  #isLocked = false;
  #group: Group | undefined;
  #closing: NodeJS.Immediate | undefined;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  /** The last sync failed: what was committed may be read, and not be on the disk. */
  #isUnsure = false;

  constructor(file: GroupFile) {
    this.#file = file;
  }

  /** Waits for the unit's turn and begins it. Every unit ends with `commit` or `rollback`. */
  async begin(): Promise<void> {
    await this.#turn();
    try {
      this.#group ??= await this.#openPatiently();
      this.#file.exec('savepoint unit');
    } catch (error) {
      this.#abandon(error);
      this.#next();
      throw error;
    }
  }

  /**
   * Ends the unit. Resolves when it is on the disk, or a relaxed one when all that it can have read is; rejects when that isn't sure: it may
   * be found to have happened, and is safe to ask for again.
   */
  commit(manner: Manner = 'durable'): Promise<unknown> {
    const group = this.#group;
    if (!group) throw new Error('there is no unit to commit');
    this.#file.exec('release unit');
    group.units += 1;
    if (manner !== 'relaxed') group.durable += 1;
    const { written, logged, durable } = group;
    const earlier = durable === 0 ? this.#earlier() : undefined;
    this.#next();
    return durable === 0 ? Promise.all([logged.promise, earlier]) : written.promise;
  }

  rollback(): void {
    try {
      if (this.#file.isTransaction) this.#file.exec('rollback to unit; release unit');
    } finally {
      this.#abandon(new Error('the database gave up the transaction: is its disk full, or failing?'));
      this.#next();
    }
  }

  /** A statement that only reads: in the open group, or by itself when there is none. */
  async read<T>(work: () => T, manner: Manner = 'durable'): Promise<T> {
    await this.#turn();
    const group = this.#group;
    let value: T;
    try {
      value = work();
    } finally {
      this.#next();
    }
    if (manner !== 'early') await (group && group.durable > 0 ? group.written.promise : this.#earlier());
    return value;
  }

  /** Ends the open group and waits until all is on the disk. */
  async finish(): Promise<void> {
    await this.#turn();
    this.#close();
    this.#next();
    await (this.#nextSync ?? this.#syncing);
  }

  #turn(): Promise<void> {
    if (!this.#isBusy) {
      this.#isBusy = true;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  #next(): void {
    if (this.#group && this.#group.units >= MOST_UNITS) this.#close();
    const next = this.#turns.shift();
    if (next) {
      next();
      return;
    }
    this.#isBusy = false;
    // What arrived in the same turn of the event loop still joins.
    if (this.#group) this.#closing ??= setImmediate(() => {
      this.#closing = undefined;
      if (!this.#isBusy) this.#close();
    });
  }

  /** Another program may write at this moment: waited for without holding anything else up. Once that was in vain, it isn't waited for again until it has let go. */
  async #openPatiently(): Promise<Group> {
    const deadline = performance.now() + (this.#isLocked ? 0 : PATIENCE_MS);
    for (;;) {
      try {
        const group = this.#open();
        this.#isLocked = false;
        return group;
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (performance.now() >= deadline) {
          this.#isLocked = true;
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  #open(): Group {
    this.#file.exec('begin immediate');
    const group = { units: 0, durable: 0, logged: Promise.withResolvers<undefined>(), written: Promise.withResolvers<undefined>() };
    for (const { promise } of [group.logged, group.written]) promise.catch(() => undefined); // a unit that was rolled back waits for nothing
    return group;
  }

  #close(): void {
    const group = this.#group;
    if (!group) return;
    this.#group = undefined;
    try {
      this.#file.exec('commit');
    } catch (error) {
      if (this.#file.isTransaction) this.#file.exec('rollback');
      fail(group, error);
      return;
    }
    group.logged.resolve(undefined);
    if (group.durable > 0) this.#sync().then(() => group.written.resolve(undefined), (error: unknown) => group.written.reject(error));
  }

  /** The sync that brings what was committed before this moment, and must be there, to the disk; undefined when it is. */
  #earlier(): Promise<void> | undefined {
    return this.#nextSync ?? this.#syncing ?? (this.#isUnsure ? this.#sync() : undefined);
  }

  /** SQLite has rolled everything back by itself: nobody in the group has anything. */
  #abandon(error: unknown): void {
    if (!this.#group || this.#file.isTransaction) return;
    fail(this.#group, error);
    this.#group = undefined;
  }

  /** One at a time; what is committed while one runs waits for the next, which serves all of it. */
  #sync(): Promise<void> {
    if (this.#syncing) {
      this.#nextSync ??= this.#syncing.catch(() => undefined).then(() => {
        this.#nextSync = undefined;
        return this.#sync();
      });
      return this.#nextSync;
    }
    this.#syncing = this.#file.sync().then(() => {
      this.#isUnsure = false;
    }, (error: unknown) => {
      this.#isUnsure = true;
      throw error;
    }).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }
}

function fail({ logged, written }: Group, error: unknown): void {
  logged.reject(error);
  written.reject(error);
}
