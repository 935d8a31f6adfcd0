import type { LoadedConfig } from '../config/load.ts';

/** Asks the server of this configuration, on this machine, for a path of its operations listener. */
export async function askOwnDoor({ operations: { host, port } }: LoadedConfig, path: string, withinMs: number): Promise<string> {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const response = await fetch(`http://${name}:${port}${path}`, { signal: AbortSignal.timeout(withinMs) });
  return response.text();
}
