import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LoadedConfig } from '../config/load.ts';

/** Asks the server of this configuration, on this machine, for a path. With TLS the server must show the configured certificate itself, whatever name it bears. */
export function askOwnDoor({ http: { host, port, tls }, at }: LoadedConfig, path: string, withinMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, signal: AbortSignal.timeout(withinMs) };
    const certificate = tls === undefined ? undefined : readFileSync(at(tls.certificate));
    const asked = certificate === undefined ? httpRequest(options) : httpsRequest({ ...options, ca: certificate, allowPartialTrustChain: true, checkServerIdentity: () => undefined });
    asked.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => { text += part; }).on('end', () => resolve(text)).on('error', reject);
    }).end();
  });
}
