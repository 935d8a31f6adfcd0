import { randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Millis } from '../../domain/brand.ts';
import type { ClientCertificate } from '../../ports/bridge.ts';

/** What an access token says (RFC 9068; bound to a certificate: RFC 8705 §3.1). */
export type AccessClaims = { readonly clientId: string; readonly scope: string; readonly certificate?: string };

export type AccessTokens = {
  readonly seconds: number;
  issue(claims: { readonly clientId: string; readonly scope: string; readonly certificate: ClientCertificate | undefined }): Promise<string>;
  /** Undefined when it isn't one of ours; `expired` when it was. */
  read(token: string): Promise<AccessClaims | 'expired' | undefined>;
};

export type AccessTokenOptions = {
  readonly issuer: string;
  readonly audience: string;
  /** 32 bytes, the same for all workers. */
  readonly key: Uint8Array;
  /** At most 300 (SMART App Launch 2.2, "Issue Access Token"). */
  readonly seconds: number;
  readonly now: () => Millis;
};

/** Access tokens that nobody has to store: signed under a key of the key ring, for this endpoint alone, and short-lived. */
export function createAccessTokens({ issuer, audience, key, seconds, now }: AccessTokenOptions): AccessTokens {
  return {
    seconds,
    issue({ clientId, scope, certificate }) {
      const at = Math.floor(now() / 1000);
      return new SignJWT({ client_id: clientId, scope, ...(certificate === undefined ? {} : { cnf: { 'x5t#S256': thumbprint(certificate) } }) })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).setIssuer(issuer).setSubject(clientId).setAudience(audience).setJti(randomUUID()).setIssuedAt(at).setExpirationTime(at + seconds).sign(key);
    },
    async read(token) {
      try {
        const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], typ: 'at+jwt', issuer, audience, currentDate: new Date(now()), requiredClaims: ['exp', 'client_id', 'scope'] });
        const { client_id: clientId, scope, cnf } = payload;
        if (typeof clientId !== 'string' || typeof scope !== 'string') return undefined;
        const bound = boundTo(cnf);
        return { clientId, scope, ...(bound === undefined ? {} : { certificate: bound }) };
      } catch (error) {
        return error instanceof Error && 'code' in error && error.code === 'ERR_JWT_EXPIRED' ? 'expired' : undefined;
      }
    },
  };
}

/** SHA-256 of the certificate, base64url: `x5t#S256`. */
export const thumbprint = ({ sha256 }: ClientCertificate): string => Buffer.from(sha256, 'hex').toString('base64url');

/** The certificate that a token is bound to, by its `cnf` claim. */
export function boundTo(cnf: unknown): string | undefined {
  const value = typeof cnf === 'object' && cnf !== null && 'x5t#S256' in cnf ? cnf['x5t#S256'] : undefined;
  return typeof value === 'string' ? value : undefined;
}
