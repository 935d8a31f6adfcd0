import { createHash, randomBytes, type Hash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, fsyncSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { opening, sealing } from './chunks.ts';
import { archiveKey, locked, unlocked, type Lock, type LockHead, type Opener } from './keys.ts';

/** In the clear at the head of a file. */
export type ArchiveHead = { readonly format: 1; readonly id: string; readonly madeAt: string; readonly madeBy: string; readonly lock: LockHead };

const MAGIC = 'ACESO-BACKUP\n';
const LONGEST_HEAD = 4096;

/** `digest`: SHA-256 of the lines written, in hex: what a reading must give again. `opener` opens this one file, to read it again now. */
export type Written = { readonly head: ArchiveHead; readonly digest: string; readonly opener: Opener };

/**
 * Writes lines into a new file: compressed, sealed, on the disk and under its name only when whole. Memory stays bounded: lines are asked for
 * as fast as they can be written.
 */
export async function writeArchive(file: string, lock: Lock, madeBy: string, lines: AsyncIterable<string>): Promise<Written> {
  const { head: lockHead, secret } = locked(lock);
  const head: ArchiveHead = { format: 1, id: randomBytes(8).toString('hex'), madeAt: new Date().toISOString(), madeBy, lock: lockHead };
  const headLine = JSON.stringify(head);
  const temporary = `${file}.${head.id}.part`;
  const hash = createHash('sha256');
  try {
    const sealed = sealing(archiveKey(secret, lockHead, headLine));
    const out = createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true });
    out.write(`${MAGIC}${headLine}\n`);
    await pipeline(hashed(lines, hash), createGzip({ level: 6 }), sealed, out);
    renameSync(temporary, file);
    const folder = openSync(dirname(file), 'r');
    fsyncSync(folder);
    closeSync(folder);
  } finally {
    rmSync(temporary, { force: true });
  }
  return { head, digest: hash.digest('hex'), opener: { secret } };
}

async function* hashed(lines: AsyncIterable<string>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const line of lines) {
    const bytes = Buffer.from(`${line}\n`);
    hash.update(bytes);
    yield bytes;
  }
}

/** Reads the head of a file: what can be said of it without a key. */
export function readHead(file: string): ArchiveHead {
  return headOf(file).head;
}

function headOf(file: string): { readonly head: ArchiveHead; readonly headLine: string } {
  const bytes = Buffer.alloc(LONGEST_HEAD);
  let opened: number;
  try {
    opened = openSync(file, 'r');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`, { cause: error });
  }
  const text = bytes.toString('utf8', 0, readSync(opened, bytes, 0, LONGEST_HEAD, 0));
  closeSync(opened);
  const headLine = text.slice(MAGIC.length, text.indexOf('\n', MAGIC.length));
  const head = text.startsWith(MAGIC) ? parsed(headLine) : undefined;
  if (!head) throw new Error(`${file} is not a backup of Aceso.`);
  if (head.format !== 1) throw new Error(`${file} has format ${String(head.format)}, which a newer Aceso made: use that one to read it.`);
  return { head: head as ArchiveHead, headLine };
}

function parsed(text: string): { readonly format: number } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'format' in value && typeof value.format === 'number' && 'lock' in value ? { ...value, format: value.format } : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a file's lines; `finished` gets the digest of all that was read. Whatever was changed, or is missing at the end, throws. */
export async function* readArchive(file: string, opener: Opener, finished: (digest: string) => void = () => undefined): AsyncGenerator<string> {
  const { head, headLine } = headOf(file);
  const hash = createHash('sha256');
  const opened = opening(archiveKey(unlocked(head.lock, opener), head.lock, headLine));
  const text = createGunzip();
  const piped = pipeline(createReadStream(file, { start: MAGIC.length + Buffer.byteLength(headLine) + 1 }), opened, text);
  // Rejections of the pipeline come out of the reading below; this one is told of too.
  piped.catch(() => undefined);
  // A line may be of many MiB: its pieces are put together once, when its end is there.
  let pieces: Buffer[] = [];
  for await (const chunk of text as AsyncIterable<Buffer>) {
    hash.update(chunk);
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...pieces, chunk.subarray(from, end)]).toString('utf8');
      pieces = [];
      from = end + 1;
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from));
  }
  await piped;
  if (pieces.length > 0) throw new Error('this backup ends in the middle of a line.');
  finished(hash.digest('hex'));
}
