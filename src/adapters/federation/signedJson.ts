import type { KeyObject } from 'node:crypto';
import { canonicalJson } from './canonicalJson.ts';
import { isSignedBy } from './ed25519.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a signature of an object covers (Matrix specification, appendices §"Signing JSON"). */
export const signedBytes = ({ signatures: _, unsigned: __, ...rest }: JsonObject): Buffer => Buffer.from(canonicalJson(rest));

export function signatureIn({ signatures }: JsonObject, name: string, keyId: string): unknown {
  const ofName = isObject(signatures) ? signatures[name] : undefined;
  return isObject(ofName) ? ofName[keyId] : undefined;
}

/** Ids of the keys by which an object is signed in somebody's name. */
export function keyIdsIn({ signatures }: JsonObject, name: string): readonly string[] {
  const ofName = isObject(signatures) ? signatures[name] : undefined;
  return isObject(ofName) ? Object.keys(ofName) : [];
}

export const isObjectSignedBy = (object: JsonObject, name: string, keyId: string, key: KeyObject): boolean => isSignedBy(key, signedBytes(object), signatureIn(object, name, keyId));
