/** Width and height in pixels, so that a client keeps the place of a picture before it has fetched it. */
import type { FileType } from '../../../src/domain/clinical/attachment.ts';

type Size = { readonly width: number; readonly height: number };

/** Undefined where it isn't found: clients do without. PNG (RFC 2083 §4.1.1), JPEG (ITU T.81 §B.2.2). */
export const imageSize = (type: FileType, bytes: Uint8Array): Size | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = type === 'png' ? pngSize(view) : type === 'jpeg' ? jpegSize(view) : undefined;
  return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined;
};

const pngSize = (view: DataView): Size | undefined => (view.byteLength < 24 ? undefined : { width: view.getUint32(16), height: view.getUint32(20) });

const jpegSize = (view: DataView): Size | undefined => {
  for (let at = 2; at + 9 < view.byteLength; at += 2 + view.getUint16(at + 2)) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
  }
  return undefined;
};
