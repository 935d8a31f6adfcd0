/**
 * Which attachments are sent on. Each is looked at for what it is, not for what it is called; what is not sure to be harmless stays with the
 * sender, and the message says so. Nothing here keeps the result itself back.
 */
import { createHash } from 'node:crypto';
import { FILE_TYPES, type FileFacts, type FileType, type Refusal, type ReportAttachment } from '../../../src/domain/clinical/attachment.ts';
import { addressUnder, type RemoteFile } from '../../../src/domain/clinical/remoteFile.ts';
import type { SourceConfig } from '../config.ts';
import type { Found } from './find.ts';
import { imageSize } from './imageSize.ts';
import { sniff, type Sniffed } from './sniff.ts';

/** `files`: the bytes of those that are sent, by key. */
export type Judged = { readonly attachments: readonly ReportAttachment[]; readonly files: ReadonlyMap<string, Uint8Array> };

export const DEFAULT_MAX_FILE_BYTES = 10 * 1024 * 1024;
export const DEFAULT_MAX_FILES = 10;

type Limits = NonNullable<SourceConfig['attachments']>;

export const judged = async (found: readonly Found[], source: SourceConfig): Promise<Judged> => {
  const { attachments: limits = {} } = source;
  const { maxCount = DEFAULT_MAX_FILES } = limits;
  let sent = 0;
  const attachments = new Map<string, ReportAttachment>();
  const files = new Map<string, Uint8Array>();
  for (const each of found) {
    const bytes = each.base64 === undefined ? undefined : decoded(each.base64);
    const awaited = bytes === undefined ? remoteFile(each, source) : undefined;
    const key = bytes === undefined ? sha256(JSON.stringify([each.url, each.title, each.declared, ...(awaited === undefined ? [] : [each.bytes, each.sha1])])) : sha256(bytes);
    if (attachments.has(key)) continue;
    const title = each.title === undefined ? {} : { title: each.title };
    if (awaited !== undefined && sent < maxCount) {
      attachments.set(key, { key, ...title, awaited });
      sent += 1;
      continue;
    }
    const verdict = sent >= maxCount ? 'too-many' : await verdictOn(each, bytes, limits);
    if (typeof verdict === 'string' || bytes === undefined) {
      const [declared] = each.declared;
      attachments.set(key, { key, ...title, refused: typeof verdict === 'string' ? verdict : 'elsewhere', ...(declared === undefined ? {} : { declared }) });
      continue;
    }
    sent += 1;
    files.set(key, bytes);
    attachments.set(key, { key, ...title, ...factsOf(verdict.type, bytes) });
  }
  return { attachments: [...attachments.values()], files };
};

/** One that was fetched, as if it had come along. `declared`: what its server calls it. */
export const judgeFetched = async (file: RemoteFile, { bytes, declared }: { readonly bytes: Uint8Array; readonly declared?: string }, limits: Limits): Promise<{ readonly key: string; readonly bytes: Uint8Array; readonly facts: FileFacts } | { readonly refused: Refusal }> => {
  const verdict = await verdictOn({ ...file, declared: [...file.declared, ...(declared === undefined ? [] : [declared])] }, bytes, limits);
  return typeof verdict === 'string' ? { refused: verdict } : { key: sha256(bytes), bytes, facts: factsOf(verdict.type, bytes) };
};

/** Where its bytes can be asked for: an Attachment's address, or a Binary that is referred to; another resource is no file. */
const remoteFile = ({ url, base, leadsTo, declared, bytes, sha1 }: Found, { fhirBase, attachments }: SourceConfig): RemoteFile | undefined => {
  if (leadsTo === 'resource' && !/(?:^|\/)Binary\/[^/]+$/u.test(url ?? '')) return undefined;
  const address = attachments?.fetches !== 'under-base' || fhirBase === undefined || url === undefined ? undefined : addressUnder(fhirBase, url, base);
  return address === undefined ? undefined : { address, declared, ...(bytes === undefined ? {} : { bytes }), ...(sha1 === undefined ? {} : { sha1 }) };
};

const factsOf = (type: FileType, bytes: Uint8Array): FileFacts => {
  const size = imageSize(type, bytes);
  return { type, bytes: bytes.length, sha1: createHash('sha1').update(bytes).digest('base64'), ...(size === undefined ? {} : { size }) };
};

type Claims = Pick<Found, 'declared' | 'bytes' | 'sha1'>;

async function verdictOn(found: Claims, bytes: Uint8Array | undefined, { maxBytes = DEFAULT_MAX_FILE_BYTES, types = FILE_TYPES }: Limits): Promise<Refusal | { readonly type: FileType }> {
  if (bytes === undefined) return 'elsewhere';
  if (bytes.length === 0) return 'unreadable';
  if (bytes.length > maxBytes) return 'too-large';
  if (found.bytes !== undefined && found.bytes !== String(bytes.length)) return 'damaged';
  if (found.sha1 !== undefined && found.sha1 !== createHash('sha1').update(bytes).digest('base64')) return 'damaged';
  const sniffed: Sniffed = await sniff(bytes);
  if (typeof sniffed === 'string') return sniffed;
  if (!found.declared.every((declared) => means(declared, sniffed.type))) return 'type-mismatch';
  return types.includes(sniffed.type) ? sniffed : 'type-not-allowed';
}

/** The names by which senders call each kind, registered and not. */
const CALLED: Readonly<Record<FileType, readonly string[]>> = {
  pdf: ['application/pdf', 'application/x-pdf'],
  jpeg: ['image/jpeg', 'image/jpg', 'image/pjpeg'],
  png: ['image/png', 'image/x-png'],
  tiff: ['image/tiff', 'image/tif'],
  cda: ['application/xml', 'text/xml', 'application/cda+xml', 'application/hl7-cda+xml', 'application/hl7-sda+xml', 'application/x-hl7-cda+xml'],
  text: ['text/plain'],
};
const SAYS_NOTHING: ReadonlySet<string> = new Set(['', 'application/octet-stream', 'binary/octet-stream']);

const means = (declared: string, type: FileType): boolean => {
  const name = (declared.split(';')[0] ?? '').trim().toLowerCase();
  return SAYS_NOTHING.has(name) || CALLED[type].includes(name);
};

/** The validator has seen that it is base64; white space may stand in it (FHIR R4 §2.24.0.1 base64Binary). */
const decoded = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64.replaceAll(/\s/gu, ''), 'base64'));

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
