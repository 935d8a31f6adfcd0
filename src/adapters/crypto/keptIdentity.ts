/** The cross-signing identity as it is kept for all devices of the user: the seeds of its private keys, and its public keys ready to be published. */
import { asRecord } from './homeserver.ts';

export type KeptIdentity = {
  /** Seeds of the private keys, unpadded base64. */
  readonly masterKey: string;
  readonly selfSigningKey: string;
  readonly userSigningKey: string;
  /** The body of `POST /keys/device_signing/upload`: whoever has the seeds may publish it, also when the device that made it no longer can. */
  readonly publicKeys: string;
};

export const writeIdentity = (identity: KeptIdentity): Uint8Array => new TextEncoder().encode(JSON.stringify(identity));

/** Throws when the bytes are something else. */
export function readIdentity(bytes: Uint8Array): KeptIdentity {
  const { masterKey, selfSigningKey, userSigningKey, publicKeys } = asRecord(JSON.parse(new TextDecoder().decode(bytes)));
  if (typeof masterKey !== 'string' || typeof selfSigningKey !== 'string' || typeof userSigningKey !== 'string' || typeof publicKeys !== 'string') throw new Error('the kept identity is damaged');
  return { masterKey, selfSigningKey, userSigningKey, publicKeys };
}

/** The master key that other people's clients know the user by, unpadded base64. */
export const masterOf = (identity: KeptIdentity): string | undefined => publicKeyOf(asRecord(JSON.parse(identity.publicKeys))['master_key']);

/** The one public key of a cross-signing key object (client-server API §11.12.2.1). */
export function publicKeyOf(crossSigningKey: unknown): string | undefined {
  const [key] = Object.values(asRecord(asRecord(crossSigningKey)['keys']));
  return typeof key === 'string' ? key : undefined;
}
