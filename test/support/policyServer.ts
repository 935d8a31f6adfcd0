/** A policy server for the laboratory: on loopback, with the certificate that both hospitals trust. */
import type { Hospitals } from './lab.ts';
import { freePort } from './ports.ts';

export type PolicySettings = { readonly server_name: string; readonly port: number } & Readonly<Record<string, unknown>>;

export async function policyServerFor({ mercy, tls }: Pick<Hospitals, 'mercy' | 'tls'>): Promise<PolicySettings> {
  const port = await freePort();
  return { server_name: `localhost:${port}`, port, tls: { certificate: tls.certificateFile, key: tls.keyFile }, federation_url: `https://${mercy.serverName}`, federation_ca: tls.caFile };
}
