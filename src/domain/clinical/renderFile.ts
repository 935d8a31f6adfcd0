import type { DeliveryId } from '../brand.ts';
import { FILES, type FileFacts } from './attachment.ts';
import { DELIVERY_CONTENT_KEY } from './render.ts';

/** In the event of a file: which attachment of the FHIR resource it is, found there by its `hash` (FHIR R4 §2.24.0.6 Attachment, SHA-1, base64). */
export const ATTACHMENT_CONTENT_KEY = 'org.aceso.attachment';

/** Content of the event of a file, before its bytes are uploaded: the courier adds `file`, the EncryptedFile. */
export type FileContent = {
  readonly msgtype: 'm.file' | 'm.image';
  readonly body: string;
  readonly filename: string;
  readonly info: { readonly mimetype: string; readonly size: number; readonly w?: number; readonly h?: number };
  readonly 'm.mentions': Readonly<Record<string, never>>;
  readonly [DELIVERY_CONTENT_KEY]: { readonly id: DeliveryId };
  readonly [ATTACHMENT_CONTENT_KEY]: { readonly hash: string };
};

/** Clients show these in place; anything else is a file to open. */
const SHOWN: ReadonlySet<string> = new Set(['jpeg', 'png']);

/**
 * The event that carries a file (Matrix client-server API, "m.file", "m.image"). `body` is its name, so that no client takes a title for one;
 * nobody is mentioned, so that phones ring once, for the message.
 */
export function renderFile({ name, type, bytes, sha1, size }: FileFacts & { readonly name: string }, delivery: DeliveryId): FileContent {
  return {
    msgtype: SHOWN.has(type) ? 'm.image' : 'm.file',
    body: name,
    filename: name,
    info: { mimetype: FILES[type].mediaType, size: bytes, ...(size === undefined ? {} : { w: size.width, h: size.height }) },
    'm.mentions': {},
    [DELIVERY_CONTENT_KEY]: { id: delivery },
    [ATTACHMENT_CONTENT_KEY]: { hash: sha1 },
  };
}
