/**
 * Who may run when (§2.7.2 "transaction scheduling"), for everything that uses one file. In the order of creation: a reader waits for
 * earlier writers of its stores; a writer waits for earlier users of its stores and for every earlier writer, because the file has one
 * SQLite write transaction at a time. A barrier is a writer without stores.
 */
export type Unit = {
  readonly writes: boolean;
  /** Ids of stores. */
  readonly scope: ReadonlySet<number>;
  /** Called once, when the unit's turn has come; it must not run caller's code before it returns. */
  start(): void;
};

export class Scheduler {
  /** Those that are not finished, in order of creation; true once started. */
  readonly #live = new Map<Unit, boolean>();
  /** Behind a writer only readers can still start: without one there is no need to look on. */
  #waitingReaders = 0;
  #idle: (() => void)[] = [];

  add(unit: Unit): void {
    this.#live.set(unit, false);
    if (!unit.writes) this.#waitingReaders++;
    this.#pump();
  }

  remove(unit: Unit): void {
    const started = this.#live.get(unit);
    if (started === undefined) return;
    this.#live.delete(unit);
    if (!started && !unit.writes) this.#waitingReaders--;
    this.#pump();
    if (this.#live.size > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  get isIdle(): boolean {
    return this.#live.size === 0;
  }

  /** Resolves when nothing is left to run. */
  whenIdle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    const read = new Set<number>();
    const written = new Set<number>();
    let writer = false;
    const ready: Unit[] = [];
    for (const [unit, started] of this.#live) {
      if (writer && this.#waitingReaders === 0) break;
      const free = disjoint(written, unit.scope) && (!unit.writes || (!writer && disjoint(read, unit.scope)));
      if (free && !started) ready.push(unit);
      writer ||= unit.writes;
      for (const store of unit.scope) (unit.writes ? written : read).add(store);
    }
    for (const unit of ready) {
      this.#live.set(unit, true);
      if (!unit.writes) this.#waitingReaders--;
      unit.start();
    }
  }
}

function disjoint(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const one of b) if (a.has(one)) return false;
  return true;
}
