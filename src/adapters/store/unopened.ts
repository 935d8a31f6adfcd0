/**
 * Something sealed can't be opened, and why. No other error means that: a database in trouble says nothing about what it holds.
 * `key-destroyed`: its subject has no data key any more. `key-not-held`: that key is wrapped under one that the key file doesn't hold. `unreadable`: the box, or its key's wrapping, was changed.
 */
export class Unopened extends Error {
  readonly code: 'key-destroyed' | 'key-not-held' | 'unreadable';

  constructor(code: Unopened['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'Unopened';
    this.code = code;
  }
}
