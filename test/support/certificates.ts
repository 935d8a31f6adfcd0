/** Throw-away certificates, made with the openssl command as a hospital's administrator would. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Pair = { readonly certificate: string; readonly key: string };

const openssl = (...args: readonly string[]): string => execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A CA of its own under `name`; gives the paths of its files. */
export function makeCa(folder: string, name: string): Pair {
  const pair = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  openssl('req', '-x509', ...KEY, '-keyout', pair.key, '-out', pair.certificate, '-days', '30', '-subj', `/CN=${name}`, '-addext', 'keyUsage=critical,keyCertSign');
  return pair;
}

/** A certificate that `ca` signed. `subject` as openssl writes it: `/O=Mercy/CN=lis`; `names`: `DNS:…,URI:…`. */
export function makeCertificate(folder: string, name: string, ca: Pair, options: { readonly subject: string; readonly names: string; readonly use: 'serverAuth' | 'clientAuth'; readonly days?: number }): Pair {
  const pair = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(extensions, `subjectAltName=${options.names}\nextendedKeyUsage=${options.use}\n`);
  openssl('req', '-new', ...KEY, '-keyout', pair.key, '-out', request, '-subj', options.subject);
  openssl('x509', '-req', '-in', request, '-CA', ca.certificate, '-CAkey', ca.key, '-CAcreateserial', '-days', String(options.days ?? 30), '-extfile', extensions, '-out', pair.certificate);
  return pair;
}

/** SHA-256 of a certificate, as openssl prints it: `AB:CD:…`. */
export const fingerprintOf = (path: string): string => openssl('x509', '-in', path, '-noout', '-fingerprint', '-sha256').trim().replace(/^.*=/u, '');
