import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate, Peer } from '../../ports/bridge.ts';
import { describeCertificate, readCertificate } from './certificate.ts';

/** Proxies in front of the door, whose word about the client counts. */
export type TrustedProxies = {
  /** Addresses and networks (`10.1.0.0/16`) of the proxies. */
  readonly addresses: readonly string[];
  /** SHA-256 of a secret that they send as `X-Aceso-Proxy`: for where the address alone proves nothing, as on a shared host. */
  readonly secretSha256?: string;
  /** Where they put the client certificate that they verified: RFC 9440's `Client-Cert`, or nginx's `X-SSL-Client-Cert` (escaped PEM) beside `X-SSL-Client-Verify: SUCCESS`. */
  readonly certificateHeader?: 'client-cert' | 'x-ssl-client-cert';
};

export type Seen = { readonly peer: Peer; readonly headers: Readonly<Record<string, string | undefined>> };

const SECRET = 'x-aceso-proxy';
/** Said by proxies. Nobody behind this file ever sees them, so that nobody can believe them by mistake. */
const PROXY_HEADERS: ReadonlySet<string> = new Set([SECRET, 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'client-cert', 'client-cert-chain', 'x-ssl-client-cert', 'x-ssl-client-verify']);

/** Who is at the other end. Throws when an address of the configuration is none. */
export function createPeerOf(proxies: TrustedProxies | undefined): (request: IncomingMessage) => Seen {
  const trusted = proxies === undefined ? undefined : blockListOf(proxies.addresses);
  const isProxy = (address: string): boolean => trusted?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ?? false;
  return (request) => {
    const all = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
    const headers = Object.fromEntries(Object.entries(all).filter(([name]) => !PROXY_HEADERS.has(name)));
    const address = plainAddress(request.socket.remoteAddress ?? '');
    if (proxies === undefined || !isProxy(address) || !knowsSecret(proxies, all[SECRET])) return { headers, peer: { address, ...ownCertificate(request) } };
    const certificate = saidCertificate(proxies, all);
    return { headers, peer: { address: saidAddress(all['x-forwarded-for'], address, isProxy), ...(certificate === undefined ? {} : { certificate }) } };
  };
}

/** Each proxy adds whom it heard from at the end: the last that isn't itself a proxy is the client. What stands before it is the client's own word. */
function saidAddress(forwardedFor: string | undefined, socket: string, isProxy: (address: string) => boolean): string {
  let client = socket;
  for (const each of (forwardedFor ?? '').split(',').reverse()) {
    const address = plainAddress(each.trim());
    if (isIP(address) === 0) break;
    client = address;
    if (!isProxy(address)) break;
  }
  return client;
}

function saidCertificate({ certificateHeader }: TrustedProxies, headers: Seen['headers']): ClientCertificate | undefined {
  if (certificateHeader === 'client-cert') {
    const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/u.exec(headers['client-cert']?.trim() ?? '')?.[1];
    return base64 === undefined ? undefined : readCertificate(Buffer.from(base64, 'base64'));
  }
  const pem = headers['x-ssl-client-cert'];
  if (certificateHeader !== 'x-ssl-client-cert' || pem === undefined || headers['x-ssl-client-verify'] !== 'SUCCESS') return undefined;
  try {
    return readCertificate(decodeURIComponent(pem));
  } catch {
    return undefined;
  }
}

/** What the client showed in this very connection, when the door asks for certificates. */
function ownCertificate({ socket }: IncomingMessage): Pick<Peer, 'certificate' | 'untrusted'> {
  if (!(socket instanceof TLSSocket)) return {};
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return {};
  // Types say Error, the documentation and Node say a code.
  return socket.authorized ? { certificate: describeCertificate(certificate) } : { untrusted: codeOf(socket.authorizationError) };
}

const codeOf = (error: unknown): string => (typeof error === 'string' ? error : error instanceof Error && 'code' in error ? String(error.code) : 'UNTRUSTED');

function knowsSecret({ secretSha256 }: TrustedProxies, given: string | undefined): boolean {
  if (secretSha256 === undefined) return true;
  return timingSafeEqual(createHash('sha256').update(given ?? '').digest(), Buffer.from(secretSha256, 'hex'));
}

/** IPv4 in IPv6 clothes is IPv4. Brackets and a port, as some proxies write them, are left off. */
function plainAddress(text: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/u.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/u.exec(text)?.[1] ?? text;
  return bare.replace(/^::ffff:(?=\d+\.)/iu, '').replace(/%.*$/u, '');
}

function blockListOf(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const each of addresses) {
    const [address = '', bits] = each.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
