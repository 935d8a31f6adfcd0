import { createCipheriv, createDecipheriv } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

/**
 * A stream as AES-256-GCM chunks of 64 KiB (the STREAM construction, as in age): the nonce counts the chunks and marks the last, so that none can
 * be taken out, moved, repeated, or cut off. The key serves one stream only.
 */
const PLAIN = 64 * 1024;
const TAG = 16;

export const sealing = (key: Uint8Array): Transform => new Chunks(PLAIN, (chunk, nonce) => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
});

/** Fails at the first chunk that was changed, and at the end of a stream that was cut short. */
export const opening = (key: Uint8Array): Transform => new Chunks(PLAIN + TAG, (chunk, nonce, index) => {
  if (chunk.length < TAG) throw new Error('this backup is cut short.');
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAuthTag(chunk.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(chunk.subarray(0, -TAG)), decipher.final()]);
  } catch {
    throw new Error(index === 0 ? 'this backup can\'t be opened with this key: it is another one, or the file was changed.' : 'this backup was changed or cut short after it was made: use another one.');
  }
});

/** Cuts what comes into pieces of one size, the last one smaller or full, and passes each through `work` with its nonce. */
class Chunks extends Transform {
  readonly #size: number;
  readonly #work: (chunk: Buffer, nonce: Uint8Array, index: number) => Buffer;
  #held = Buffer.alloc(0);
  #index = 0;

  constructor(size: number, work: (chunk: Buffer, nonce: Uint8Array, index: number) => Buffer) {
    super();
    this.#size = size;
    this.#work = work;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    // A full piece is passed on only when more follows: the last one is marked.
    this.#done(callback, () => { while (this.#held.length > this.#size) this.#pass(this.#size, 0); });
  }

  override _flush(callback: TransformCallback): void {
    this.#done(callback, () => this.#pass(this.#held.length, 1));
  }

  #pass(length: number, last: 0 | 1): void {
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(this.#index, 5, 6);
    nonce[11] = last;
    this.push(this.#work(this.#held.subarray(0, length), nonce, this.#index));
    this.#held = this.#held.subarray(length);
    this.#index += 1;
  }

  #done(callback: TransformCallback, work: () => void): void {
    try {
      work();
      callback();
    } catch (error) {
      callback(error as Error);
    }
  }
}
