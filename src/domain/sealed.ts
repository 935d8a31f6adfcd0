import type { SubjectId } from './brand.ts';

/**
 * Protected health information on its way through Aceso. The value can't be logged, printed, compared or put into JSON by accident:
 * only `reveal` gives it, and only the store's codec turns it into bytes, encrypted under the data key of its subject.
 * (Architecture, invariants 8 and 11; 45 CFR 164.312(a)(2)(iv).)
 */
export class Sealed<T> {
  readonly subject: SubjectId;
  readonly #value: T;

  private constructor(subject: SubjectId, value: T) {
    this.subject = subject;
    this.#value = value;
  }

  static of<T>(subject: SubjectId, value: T): Sealed<T> {
    return new Sealed(subject, value);
  }

  /** The plain value. Each call is a place where PHI is used: rendering, comparing, encrypting. */
  reveal(): T {
    return this.#value;
  }

  /** A new sealed value of the same subject. */
  map<U>(change: (value: T) => U): Sealed<U> {
    return new Sealed(this.subject, change(this.#value));
  }

  toString(): string {
    return '[sealed]';
  }

  toJSON(): string {
    return '[sealed]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[sealed]';
  }
}
