/** Encrypted media (client-server API §11.12, "Sending encrypted attachments"): files, and the one large value of content that is too large for an event. */
import { Attachment } from '@matrix-org/matrix-sdk-crypto-wasm';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { Faults } from './faults.ts';
import type { Homeserver } from './homeserver.ts';
import type { Journal } from './journal.ts';
import type { ThreadOptions } from './options.ts';
import type { PlainMessage } from './protocol.ts';

type Content = Readonly<Record<string, unknown>>;

export type Media = {
  /** Uploads the file of a message that has one, unless that was done before. Apart from `fit`, so that a large file holds up nobody's turn in the room. */
  prepare(message: PlainMessage, signal: AbortSignal): Promise<void>;
  /** The content as it fits an event. `file` is the EncryptedFile (JSON) of an upload that was made for this message before. */
  fit(message: PlainMessage, file: string | undefined, signal: AbortSignal): Promise<Outcome<Content, 'too-large'>>;
};

/** Above this the large value moves out, so that phones needn't load it to show the message. Bytes of JSON. */
const comfortableBytes = 40 * 1024;
/** What still fits: an event has 65,536 bytes, Megolm and base64 make four out of three, and signatures and references take their part. */
const largestBytes = 45 * 1024;

export function createMedia(options: Pick<ThreadOptions, 'attachmentKey'>, homeserver: Homeserver, journal: Journal, faults: Faults): Media {
  const upload = async (message: PlainMessage, bytes: Uint8Array, signal: AbortSignal): Promise<string> => {
    using encrypted = Attachment.encrypt(bytes);
    const body = new Uint8Array(encrypted.encryptedData);
    const answer = await homeserver.json({ method: 'POST', path: 'media/v3/upload', as: 'user', body, timeoutMs: 60_000, signal });
    const file = JSON.stringify({ url: answer['content_uri'], ...JSON.parse(encrypted.mediaEncryptionInfo ?? '{}') as object });
    await faults.reached('media-uploaded');
    await journal.media(message.id, message.roomId, file);
    await faults.reached('media-journalled');
    return file;
  };

  return {
    async prepare(message, signal) {
      if (message.file !== undefined && await journal.find(message.id, message.roomId) === undefined) await upload(message, message.file, signal);
    },
    async fit(message, uploaded, signal) {
      const { content } = message;
      if (message.file !== undefined) {
        if (uploaded === undefined) throw new Error(`the file of ${message.id} is not uploaded`);
        return ok({ ...content, file: JSON.parse(uploaded) as unknown });
      }
      if (uploaded === undefined && bytesOf(content) <= comfortableBytes) return ok(content);
      const key = options.attachmentKey;
      if (key === undefined || content[key] === undefined) return bytesOf(content) <= largestBytes ? ok(content) : tooLarge(message);
      const { [key]: value, ...rest } = content;
      if (bytesOf(rest) > largestBytes) return tooLarge(message);
      const file = uploaded ?? await upload(message, new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)), signal);
      return ok({ ...rest, [`${key}.file`]: JSON.parse(file) as unknown });
    },
  };
}

const bytesOf = (content: Content): number => Buffer.byteLength(JSON.stringify(content));

const tooLarge = (message: PlainMessage): Outcome<Content, 'too-large'> => fail('too-large', `the content of ${message.id} has ${bytesOf(message.content)} bytes, and what may move into media doesn't make it small enough. Shorten its text.`);
