/** Questions to sign, as a partner's homeserver asks them: events of its users, each with its hash and signatures, made before they are timed. */
import { randomBytes } from 'node:crypto';
import { canonicalJson } from '../../src/adapters/federation/canonicalJson.ts';
import { isSignedBy, publicKeyOf } from '../../src/adapters/federation/ed25519.ts';
import { signableBytes, signedEvent, type RoomVersion } from '../../src/adapters/federation/event.ts';
import { xMatrix } from '../../src/adapters/federation/xMatrix.ts';
import { KEY_ID } from '../../test/support/stub/federation.ts';
import { forgeDevice, forgeSession } from '../../test/support/stub/forge.ts';
import { unpadded, type SigningKey } from '../../test/support/stub/signing.ts';

export const SIGN_PATH = '/_matrix/policy/v1/sign';
export const VERSION: RoomVersion = '12';
/** Of the ciphertext, so that the content has about 900 bytes as a result's has. */
const CIPHERTEXT_BYTES = 480;

export type Question = { readonly body: Buffer; readonly authorization: string; /** What the answer signs. */ readonly signable: Buffer };

/** `partner` asks `policyServer`; gives the next question about a room and its member. */
export function createQuestions(partner: { readonly name: string; readonly key: SigningKey }, policyServer: string): (roomId: string, sender: string) => Question {
  const { name, key } = partner;
  const signer = { publicKey: key.publicKey, sign: (bytes: Uint8Array): string => unpadded(key.sign(bytes)) };
  const session = forgeSession(forgeDevice(`@bench:${name}`, 'BENCH'));
  const id = (): string => `$${randomBytes(32).toString('base64url')}`;
  let depth = 20;
  return (roomId, sender) => {
    const content = session.next(CIPHERTEXT_BYTES);
    const event = signedEvent(VERSION, { type: 'm.room.encrypted', room_id: roomId, sender, content, depth: (depth += 1), prev_events: [id()], auth_events: [id(), id(), id()], origin_server_ts: Date.now() }, name, KEY_ID, signer);
    return { body: Buffer.from(canonicalJson(event)), authorization: xMatrix({ method: 'POST', uri: SIGN_PATH, content: event }, name, policyServer, KEY_ID, signer), signable: signableBytes(VERSION, event) };
  };
}

/** Why the answer isn't a signature of what was asked; undefined when it is. */
export function wrong({ signable }: Question, { status, text }: { readonly status: number; readonly text: string }, policyServer: string, publicKey: string): string | undefined {
  if (status !== 200) return `${status} ${text.slice(0, 200)}`;
  const signature = (JSON.parse(text) as Readonly<Record<string, Readonly<Record<string, string>>>>)[policyServer]?.['ed25519:policy_server'];
  const key = publicKeyOf(publicKey);
  return key && isSignedBy(key, signable, signature) ? undefined : 'not signed by its key';
}
