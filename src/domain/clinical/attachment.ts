import type { RemoteFile } from './remoteFile.ts';

/**
 * A file that came with a report or message: a PDF, an image, a CDA document. PHI, as all of the report is; its bytes are kept apart from it.
 * What can't be sent on stays in the list with its reason, because the message says so: nothing is dropped unseen.
 */
export type ReportAttachment = SentAttachment | AwaitedAttachment | RefusedAttachment;

/** `key` tells the same attachment again: the SHA-256 of its bytes, or of what the sender says about it. */
type Named = { readonly key: string; /** As the sender calls it. */ readonly title?: string };

/** What it is by its bytes. `sha1` is base64, as FHIR's `Attachment.hash`. `size` of an image is in pixels. */
export type FileFacts = { readonly type: FileType; readonly bytes: number; readonly sha1: string; readonly size?: { readonly width: number; readonly height: number } };

export type SentAttachment = Named & FileFacts;

/** Its bytes are with its sender, who is asked for them. */
export type AwaitedAttachment = Named & { readonly awaited: RemoteFile };

export type RefusedAttachment = Named & { readonly refused: Refusal; /** Media type as the sender declares it. */ readonly declared?: string };

export type FileType = 'pdf' | 'jpeg' | 'png' | 'tiff' | 'cda' | 'text';

export const FILE_TYPES: readonly FileType[] = ['pdf', 'jpeg', 'png', 'tiff', 'cda', 'text'];

/** Each kind as a file: media type (RFC 6838), ending of its name, and how it is called. */
export const FILES: Readonly<Record<FileType, { readonly mediaType: string; readonly extension: string; readonly words: string }>> = {
  pdf: { mediaType: 'application/pdf', extension: 'pdf', words: 'PDF' },
  jpeg: { mediaType: 'image/jpeg', extension: 'jpg', words: 'JPEG image' },
  png: { mediaType: 'image/png', extension: 'png', words: 'PNG image' },
  tiff: { mediaType: 'image/tiff', extension: 'tiff', words: 'TIFF image' },
  cda: { mediaType: 'application/xml', extension: 'xml', words: 'CDA document' },
  text: { mediaType: 'text/plain', extension: 'txt', words: 'text' },
};

/** Why an attachment is not sent on, as codes for the audit and words for the reader. */
export type Refusal = keyof typeof REFUSALS;

export const REFUSALS = {
  'too-large': 'it is larger than what is sent on from this sender',
  'too-many': 'there are more of them than what is sent on from this sender',
  'type-not-allowed': 'files of this kind are not sent on',
  'type-mismatch': 'it is not the kind of file that the sender says it is',
  'active-content': 'it holds scripts, programs or other files',
  'unreadable': 'it is empty, protected or can not be read, so it could not be checked',
  'damaged': 'its size or hash is not what the sender says; it may be damaged',
  'elsewhere': 'only the sender has it',
} as const;

export const isAwaited = (attachment: ReportAttachment): attachment is AwaitedAttachment => 'awaited' in attachment;
export const isRefused = (attachment: ReportAttachment): attachment is RefusedAttachment => 'refused' in attachment;
export const isSent = (attachment: ReportAttachment): attachment is SentAttachment => !isAwaited(attachment) && !isRefused(attachment);

/** Each attachment with the name that its file gets: never the sender's, which may name the patient. */
export type NamedAttachment = ReportAttachment & { readonly name: string };

export function withNames(kind: 'result' | 'message', attachments: readonly ReportAttachment[]): readonly NamedAttachment[] {
  const noun = kind === 'result' ? 'report' : 'message';
  return attachments.map((each, index) => ({ ...each, name: `${noun}-${index + 1}${isSent(each) ? `.${FILES[each.type].extension}` : ''}` }));
}
