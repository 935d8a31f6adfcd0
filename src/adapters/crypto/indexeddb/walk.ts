/** §6.7 "iterate a cursor": the walk over a source, one record after another, in any of the four directions. */
import { successor } from './keys.ts';
import { firstOf, type Found, type Place, type Source, type Span, type Wanted } from './source.ts';
import type { SqliteFile } from './sql.ts';

export type CursorDirection = 'next' | 'nextunique' | 'prev' | 'prevunique';

/** Where `continue(key)` and `continuePrimaryKey(key, primaryKey)` want to go on. */
export type Seek = { readonly key: Uint8Array; readonly primaryKey: Uint8Array | undefined };

const LONGEST_PAGE = 128;

/**
 * Reads ahead in pages, which double while the walk goes on undisturbed. A change to the file makes the page stale: the walk looks
 * again from where it is, so it sees what was written and skips what was deleted meanwhile.
 */
export class Walk {
  readonly #file: SqliteFile;
  readonly #source: Source;
  readonly #span: Span;
  readonly #direction: CursorDirection;
  readonly #wanted: Wanted;
  #at: Found | undefined;
  #page: Found[] = [];
  #pageLength = 1;
  #asOf = -1;

  constructor(file: SqliteFile, source: Source, span: Span, direction: CursorDirection, wanted: Wanted) {
    this.#file = file;
    this.#source = source;
    this.#span = span;
    this.#direction = direction;
    this.#wanted = wanted;
  }

  /** The next record, or undefined at the end. */
  next(seek?: Seek): Found | undefined {
    this.#at = this.#step(seek);
    return this.#at;
  }

  #step(seek: Seek | undefined): Found | undefined {
    const unique = this.#source.repeats && (this.#direction === 'nextunique' || this.#direction === 'prevunique');
    if (unique) return this.#direction === 'nextunique' ? this.#seekOne(this.#ahead(seek)) : this.#lowestOfPrevious(seek);
    if (seek !== undefined || this.#asOf !== this.#file.changes) {
      this.#page = [];
      this.#pageLength = 1;
    }
    if (this.#page.length === 0) this.#fill(seek);
    return this.#page.pop();
  }

  #fill(seek: Seek | undefined): void {
    const backward = this.#direction === 'prev' || this.#direction === 'prevunique';
    const span = backward ? this.#before(seek) : this.#ahead(seek);
    this.#page = this.#source.scan(span, backward ? 'prev' : 'next', this.#pageLength, this.#wanted).reverse();
    this.#pageLength = Math.min(this.#pageLength * 2, LONGEST_PAGE);
    this.#asOf = this.#file.changes;
  }

  /** §6.7, "prevunique": the last key before here, and of its records the one with the lowest primary key. */
  #lowestOfPrevious(seek: Seek | undefined): Found | undefined {
    const [last] = this.#source.scan(this.#before(seek), 'prev', 1, 'keys');
    return last === undefined ? undefined : this.#seekOne({ from: firstOf(last.key), to: firstOf(successor(last.key)) });
  }

  #seekOne(span: Span): Found | undefined {
    return this.#source.scan(span, 'next', 1, this.#wanted)[0];
  }

  #ahead(seek: Seek | undefined): Span {
    return { from: this.#start(seek), to: this.#span.to };
  }

  #start(seek: Seek | undefined): Place {
    if (seek !== undefined) return seek.primaryKey === undefined ? firstOf(seek.key) : { key: seek.key, primaryKey: seek.primaryKey };
    if (this.#at === undefined) return this.#span.from;
    return this.#direction === 'nextunique' ? firstOf(successor(this.#at.key)) : this.#source.behind(this.#at);
  }

  #before(seek: Seek | undefined): Span {
    return { from: this.#span.from, to: this.#end(seek) };
  }

  #end(seek: Seek | undefined): Place {
    if (seek !== undefined) return seek.primaryKey === undefined ? firstOf(successor(seek.key)) : { key: seek.key, primaryKey: successor(seek.primaryKey) };
    if (this.#at === undefined) return this.#span.to;
    return this.#direction === 'prevunique' ? firstOf(this.#at.key) : this.#at;
  }
}
