/** A policy server for the laboratory: on loopback, with the certificate that both hospitals trust. */
import { join } from 'node:path';
import { createClient, readAuthority, type Answer } from '../../src/adapters/federation/client.ts';
import { eventIdOf, signableBytes, signedEvent } from '../../src/adapters/federation/event.ts';
import { openServerKeys } from '../../src/adapters/federation/keyFile.ts';
import { isObject } from '../../src/adapters/federation/signedJson.ts';
import { xMatrix } from '../../src/adapters/federation/xMatrix.ts';
import type { Aceso } from './aceso.ts';
import type { Hospital, Hospitals } from './lab.ts';
import { freePort } from './ports.ts';

export type PolicySettings = { readonly server_name: string; readonly port: number } & Readonly<Record<string, unknown>>;

/** Its user leaves a room as whoever has its keys could have it leave: by itself, as a server of its own (server-server API §"Leaving Rooms"). */
export async function leaveByItself({ folder }: Pick<Aceso, 'folder'>, { mercy, tls }: { readonly mercy: Hospital; readonly tls: Hospitals['tls'] }, { server_name: name }: PolicySettings, roomId: string): Promise<Answer> {
  const { signingKeyId, signing } = openServerKeys(join(folder, 'policy-server.json'));
  const { ask, close } = createClient(`https://${mercy.serverName}`, { ca: readAuthority(tls.caFile), advice: '' });
  const user = `@policy:${name}`;
  const call = async (method: string, uri: string, content?: unknown): Promise<Answer> => {
    const request = { method, uri, ...(content === undefined ? {} : { content }) };
    const answer = await ask(method, uri, { authorization: xMatrix(request, name, mercy.serverName, signingKeyId, signing), ...(content === undefined ? {} : { content }) });
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.value;
  };
  try {
    const offered = await call('GET', `/_matrix/federation/v1/make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(user)}`);
    const { event, room_version: version } = offered.body;
    if (!isObject(event) || version !== '12') return offered;
    const leaving = signedEvent(version, { ...event, content: { membership: 'leave' }, origin_server_ts: Date.now() }, name, signingKeyId, signing);
    return await call('PUT', `/_matrix/federation/v2/send_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(eventIdOf(signableBytes(version, leaving)))}`, leaving);
  } finally {
    close();
  }
}

export async function policyServerFor({ mercy, tls }: Pick<Hospitals, 'mercy' | 'tls'>): Promise<PolicySettings> {
  const port = await freePort();
  return { server_name: `localhost:${port}`, port, tls: { certificate: tls.certificateFile, key: tls.keyFile }, federation_url: `https://${mercy.serverName}`, federation_ca: tls.caFile };
}
