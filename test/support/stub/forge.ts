/** Devices, identities and ciphertexts that are well-formed and signed as they should be, and that nobody can read. */
import { randomBytes } from 'node:crypto';
import { newCurveKey, newSigningKey, unpadded, type Json } from './signing.ts';

export type ForgedDevice = {
  readonly deviceId: string;
  readonly curveKey: string;
  /** The content of `device_keys`, signed by the device, and by the identity where there is one. */
  readonly deviceKeys: Json;
  /** A new key, as `signed_curve25519:ID` → object. */
  oneTimeKey(more?: { readonly fallback: true }): Readonly<Record<string, Json>>;
};

export type ForgedIdentity = { readonly master: Json; readonly selfSigning: Json; readonly userSigning: Json; sign(deviceKeys: Json): Json };

const withSignature = (value: Json, userId: string, keyId: string, signature: string): Json => {
  const before = (value['signatures'] ?? {}) as Readonly<Record<string, Json>>;
  return { ...value, signatures: { ...before, [userId]: { ...before[userId], [keyId]: signature } } };
};

export function forgeIdentity(userId: string): ForgedIdentity {
  const [masterKey, selfKey, userKey] = [newSigningKey(), newSigningKey(), newSigningKey()];
  const key = (usage: string, publicKey: string): Json => ({ user_id: userId, usage: [usage], keys: { [`ed25519:${publicKey}`]: publicKey } });
  const signed = (value: Json): Json => withSignature(value, userId, `ed25519:${masterKey.publicKey}`, masterKey.signatureOf(value));
  return {
    master: key('master', masterKey.publicKey),
    selfSigning: signed(key('self_signing', selfKey.publicKey)),
    userSigning: signed(key('user_signing', userKey.publicKey)),
    sign: (deviceKeys) => withSignature(deviceKeys, userId, `ed25519:${selfKey.publicKey}`, selfKey.signatureOf(deviceKeys)),
  };
}

let oneTimeKeys = 0;

export function forgeDevice(userId: string, deviceId: string, identity?: ForgedIdentity): ForgedDevice {
  const key = newSigningKey();
  const curveKey = newCurveKey();
  const plain: Json = { user_id: userId, device_id: deviceId, algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'], keys: { [`curve25519:${deviceId}`]: curveKey, [`ed25519:${deviceId}`]: key.publicKey } };
  const own = withSignature(plain, userId, `ed25519:${deviceId}`, key.signatureOf(plain));
  return {
    deviceId, curveKey,
    deviceKeys: identity ? identity.sign(own) : own,
    oneTimeKey(more) {
      oneTimeKeys += 1;
      const value: Json = { key: newCurveKey(), ...more };
      return { [`signed_curve25519:AAAA${oneTimeKeys.toString(36)}`]: withSignature(value, userId, `ed25519:${deviceId}`, key.signatureOf(value)) };
    },
  };
}

const lengthed = (tag: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([tag]), varint(bytes.length), bytes]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) + 128);
  }
}

/** A Megolm session: `next` gives the content of the next event. */
export function forgeSession(sender: ForgedDevice): { readonly sessionId: string; next(size?: number): Json } {
  const key = newSigningKey();
  let index = 0;
  return {
    sessionId: key.publicKey,
    next(size = 96) {
      const body = Buffer.concat([Buffer.from([3, 0x08]), varint(index), lengthed(0x12, randomBytes(size)), randomBytes(8)]);
      index += 1;
      return { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: unpadded(Buffer.concat([body, key.sign(body)])), session_id: key.publicKey, sender_key: sender.curveKey, device_id: sender.deviceId };
    },
  };
}

/** The content of a to-device message that begins an Olm channel to the holder of `readerKey`, with one of their one-time keys. */
export function forgeOlm(sender: ForgedDevice, readerKey: string, oneTimeKey: string): Json {
  const inner = Buffer.concat([Buffer.from([3]), lengthed(0x0a, randomBytes(32)), Buffer.from([0x10, 0]), lengthed(0x22, randomBytes(64)), randomBytes(8)]);
  const body = Buffer.concat([Buffer.from([3]), lengthed(0x0a, Buffer.from(oneTimeKey, 'base64')), lengthed(0x12, randomBytes(32)), lengthed(0x1a, Buffer.from(sender.curveKey, 'base64')), lengthed(0x22, inner)]);
  return { algorithm: 'm.olm.v1.curve25519-aes-sha2', sender_key: sender.curveKey, ciphertext: { [readerKey]: { type: 0, body: unpadded(body) } } };
}
