/**
 * Which attachments are sent on. Each is looked at for what it is, not for what it is called; what is not sure to be harmless stays with the
 * sender, and the message says so. Nothing here keeps the result itself back.
 */
import { createHash } from 'node:crypto';
import { FILE_TYPES, type FileType, type Refusal, type ReportAttachment } from '../../../src/domain/clinical/attachment.ts';
import type { SourceConfig } from '../config.ts';
import type { Found } from './find.ts';
import { imageSize } from './imageSize.ts';
import { sniff, type Sniffed } from './sniff.ts';

/** `files`: the bytes of those that are sent, by key. */
export type Judged = { readonly attachments: readonly ReportAttachment[]; readonly files: ReadonlyMap<string, Uint8Array> };

export const DEFAULT_MAX_FILE_BYTES = 10 * 1024 * 1024;
export const DEFAULT_MAX_FILES = 10;

export const judged = async (found: readonly Found[], { attachments: limits = {} }: SourceConfig): Promise<Judged> => {
  const { maxBytes = DEFAULT_MAX_FILE_BYTES, maxCount = DEFAULT_MAX_FILES, types = FILE_TYPES } = limits;
  const attachments = new Map<string, ReportAttachment>();
  const files = new Map<string, Uint8Array>();
  for (const each of found) {
    const bytes = each.base64 === undefined ? undefined : decoded(each.base64);
    const key = bytes === undefined ? sha256(JSON.stringify([each.url, each.title, each.declared])) : sha256(bytes);
    if (attachments.has(key)) continue;
    const verdict = files.size >= maxCount ? 'too-many' : await verdictOn(each, bytes, maxBytes, types);
    const title = each.title === undefined ? {} : { title: each.title };
    if (typeof verdict === 'string' || bytes === undefined) {
      const [declared] = each.declared;
      attachments.set(key, { key, ...title, refused: typeof verdict === 'string' ? verdict : 'elsewhere', ...(declared === undefined ? {} : { declared }) });
      continue;
    }
    const size = imageSize(verdict.type, bytes);
    files.set(key, bytes);
    attachments.set(key, { key, ...title, type: verdict.type, bytes: bytes.length, sha1: createHash('sha1').update(bytes).digest('base64'), ...(size === undefined ? {} : { size }) });
  }
  return { attachments: [...attachments.values()], files };
};

async function verdictOn(found: Found, bytes: Uint8Array | undefined, maxBytes: number, types: readonly FileType[]): Promise<Refusal | { readonly type: FileType }> {
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
