/** What bytes are, by their own look. */
import { fileTypeFromBuffer } from 'file-type';
import type { FileType } from '../../../src/domain/clinical/attachment.ts';
import { markupOf } from './markup.ts';
import { activePdf } from './pdf.ts';

/** A kind that may be sent on, or why it never is. */
export type Sniffed = { readonly type: FileType } | 'type-not-allowed' | 'active-content' | 'unreadable';

/** As much as the kinds that are of interest need; less for a library to stumble over. */
const HEAD_BYTES = 4100;

const BINARY: Readonly<Record<string, FileType>> = { pdf: 'pdf', jpg: 'jpeg', png: 'png', tif: 'tiff' };

export const sniff = async (bytes: Uint8Array): Promise<Sniffed> => {
  const type = BINARY[await extensionOf(bytes.subarray(0, HEAD_BYTES))];
  if (type === 'pdf') return activePdf(bytes) ?? { type };
  if (type !== undefined) return { type };
  const text = plainText(bytes);
  return text === undefined ? 'type-not-allowed' : textKind(text);
};

/** Undefined-like `''` for what the library doesn't know, or can't read to the end because it has the beginning only. */
const extensionOf = async (head: Uint8Array): Promise<string> => (await fileTypeFromBuffer(head).catch(() => undefined))?.ext ?? '';

/** UTF-8 without controls, as every text editor shows it. */
const plainText = (bytes: Uint8Array): string | undefined => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return /[\u0000-\u0008\u000b\u000e-\u001f\u007f]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
};

const textKind = (text: string): Sniffed => {
  if (text.startsWith('#!')) return 'type-not-allowed';
  switch (markupOf(text)) {
    case 'none':
      return text.trim() === '' ? 'unreadable' : { type: 'text' };
    case 'cda':
      return { type: 'cda' };
    case 'active':
      return 'active-content';
    case 'other':
      return 'type-not-allowed';
  }
};
