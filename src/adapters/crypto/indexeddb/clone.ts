/**
 * Structured clone for storage (HTML §2.7, "StructuredSerializeForStorage"), over V8's own serializer: the bytes that are stored are
 * readable by this and every later Node. A view of a buffer is stored as the view's own part, never the whole buffer behind it (a view
 * into WebAssembly's memory or a pooled `Buffer` would drag foreign bytes to disk), and a `Buffer` comes back as `Uint8Array`.
 */
import { Deserializer, Serializer } from 'node:v8';
import { domError } from './errors.ts';
import { refusePlatformObjects } from './platform.ts';

/** Throws DataCloneError for what can't be cloned (functions, symbols, host objects); an error thrown by a getter passes. */
export function serialize(value: unknown): Uint8Array {
  refusePlatformObjects(value);
  const serializer = new StorageSerializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

export function deserialize(bytes: Uint8Array): unknown {
  const deserializer = new StorageDeserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

/** The number of a kind is its place here: only ever add at the end. */
const VIEWS: readonly (new (buffer: ArrayBuffer) => ArrayBufferView)[] = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, DataView, BigInt64Array, BigUint64Array, Float16Array,
];
const UINT8_ARRAY = 1;

// The members with an underscore are the hooks that `node:v8` documents for subclasses.
class StorageSerializer extends Serializer {
  declare _setTreatArrayBufferViewsAsHostObjects: (on: boolean) => void;

  constructor() {
    super();
    this._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _getDataCloneError(message: string): DOMException {
    return domError('DataCloneError', message);
  }

  _getSharedArrayBufferId(): never {
    throw domError('DataCloneError', 'a SharedArrayBuffer can not be stored');
  }

  _writeHostObject(object: object): void {
    if (!ArrayBuffer.isView(object)) throw domError('DataCloneError', 'the object can not be cloned');
    const kind = object instanceof Buffer ? UINT8_ARRAY : VIEWS.findIndex((view) => object.constructor === view);
    if (kind < 0 || !(object.buffer instanceof ArrayBuffer) || object.buffer.detached) throw domError('DataCloneError', 'this kind of view can not be stored');
    this.writeUint32(kind);
    this.writeUint32(object.byteLength);
    this.writeRawBytes(new Uint8Array(object.buffer, object.byteOffset, object.byteLength));
  }
}

class StorageDeserializer extends Deserializer {
  _readHostObject(): ArrayBufferView {
    const View = VIEWS[this.readUint32()];
    if (View === undefined) throw new Error('the stored value is damaged: unknown kind of view');
    const copy = new Uint8Array(this.readRawBytes(this.readUint32())).slice();
    return new View(copy.buffer);
  }
}
