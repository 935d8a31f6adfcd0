import { createHash, timingSafeEqual } from 'node:crypto';
import type { Millis, SourceId } from '../../domain/brand.ts';

/** A token that the hospital gave out. Several of one source may be in force, so that it can be changed without a gap. */
export type GivenToken = {
  /** SHA-256 of the token, 64 hexadecimal digits: the token itself is kept nowhere. */
  readonly sha256: string;
  readonly notAfter?: Millis;
};

export type GivenTokens = (token: string, now: Millis) => SourceId | 'expired' | undefined;

/** Throws when a hash can't be one, or two sources share a token. */
export function createGivenTokens(sources: readonly { readonly id: SourceId; readonly tokens: readonly GivenToken[] }[]): GivenTokens {
  const known = sources.flatMap(({ id, tokens }) => tokens.map(({ sha256, notAfter }) => {
    if (!/^[0-9a-f]{64}$/iu.test(sha256)) throw new Error(`source ${id}: a token's sha256 is not 64 hexadecimal digits. Make a token with \`aceso source token\`.`);
    return { id, notAfter, hash: Buffer.from(sha256, 'hex') };
  }));
  if (new Set(known.map(({ hash }) => hash.toString('hex'))).size < known.length) throw new Error('two sources have the same token. Give each its own.');
  return (token, now) => {
    const hash = createHash('sha256').update(token).digest();
    // Every token is compared, in constant time, so that time says nothing about which one matched.
    const [match] = known.filter((each) => timingSafeEqual(each.hash, hash));
    if (match === undefined) return undefined;
    return match.notAfter !== undefined && now >= match.notAfter ? 'expired' : match.id;
  };
}

/** The token of a request (RFC 6750 §2.1); undefined when the header holds none. */
export const bearerIn = (authorization: string | undefined): string | undefined => /^bearer +([A-Za-z0-9\-._~+/]+=*)$/iu.exec(authorization ?? '')?.[1];
