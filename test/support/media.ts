/** Encrypted media of an event, as a client opens it. */
import { expect } from 'chai';
import { createDecipheriv, createHash } from 'node:crypto';
import type { Client, SeenMessage } from './clients/client.ts';
import type { Hospital } from './lab.ts';

export type EncryptedFile = { readonly url: string; readonly v: string; readonly key: { readonly k: string }; readonly iv: string; readonly hashes: { readonly sha256: string } };

export const inReplyTo = (content: SeenMessage['content']): unknown => (content['m.relates_to'] as { readonly 'm.in_reply_to'?: { readonly event_id?: unknown } } | undefined)?.['m.in_reply_to']?.event_id;

/** As a client does (client-server API, "Sending encrypted attachments"): authenticated download, hash of the ciphertext, AES-CTR. */
export async function opened({ baseUrl }: Hospital, { accessToken }: Client, { url, v, key, iv, hashes }: EncryptedFile): Promise<Buffer> {
  expect(v).to.equal('v2');
  const answer = await fetch(`${baseUrl}/_matrix/client/v1/media/download/${url.slice('mxc://'.length)}`, { headers: { authorization: `Bearer ${accessToken}` } });
  expect(answer.status).to.equal(200);
  const ciphertext = Buffer.from(await answer.arrayBuffer());
  expect(createHash('sha256').update(ciphertext).digest('base64').replaceAll('=', '')).to.equal(hashes.sha256);
  const decipher = createDecipheriv('aes-256-ctr', Buffer.from(key.k, 'base64url'), Buffer.from(iv, 'base64'));
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}
