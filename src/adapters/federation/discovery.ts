import { resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { createClient } from './client.ts';

/** Where a server's federation API is, and what it is asked as. */
export type Found = { readonly url: string; readonly host: string };

const WITHIN_MS = 10_000;
const PORT = /:(\d{1,5})$/u;

/** Server-server API §"Resolving server names": a port of its own, `.well-known`, SRV records, port 8448. Redirects of `.well-known` are not followed. */
export async function findServer(server: string, ca?: Buffer): Promise<Found> {
  if (isSettled(server)) return at(server, server);
  const { ask, close } = createClient(`https://${server}`, { ca, advice: '' });
  const known = await ask('GET', '/.well-known/matrix/server', { withinMs: WITHIN_MS }).finally(close);
  const delegate = known.ok && known.value.status === 200 ? known.value.body['m.server'] : undefined;
  const name = typeof delegate === 'string' && /^[A-Za-z0-9.:[\]-]{1,255}$/u.test(delegate) ? delegate : server;
  if (isSettled(name)) return at(name, name);
  for (const service of ['_matrix-fed', '_matrix']) {
    const [record] = await resolveSrv(`${service}._tcp.${name}`).catch(() => []);
    if (record) return at(`${record.name}:${record.port}`, name);
  }
  return at(name, name);
}

/** Named by an address, or with a port: there is nothing to look up. */
const isSettled = (name: string): boolean => PORT.test(name) || name.endsWith(']') || isIP(name) !== 0;

const at = (place: string, host: string): Found => ({ url: `https://${PORT.test(place) ? place : `${place}:8448`}`, host });
