/** First in, first out, at the same cost however long it gets (`Array.shift` moves all that follows). */
export class Queue<T extends object> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  add(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#items[this.#first++] = undefined;
    if (this.#first === this.#items.length) this.#reset();
    return item;
  }

  takeAll(): T[] {
    const rest = this.#items.slice(this.#first).filter((item) => item !== undefined);
    this.#reset();
    return rest;
  }

  #reset(): void {
    this.#items = [];
    this.#first = 0;
  }
}
