import { randomBytes, type KeyObject } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { decoded, publicKeyOf, signerOf, unpadded, type Signer } from './ed25519.ts';
import { canonicalJson } from './canonicalJson.ts';
import type { JsonObject } from './signedJson.ts';

/** The name under which every policy server's key is known (server-server API §"Policy Servers"). */
export const POLICY_KEY_ID = 'ed25519:policy_server';

const seed = z.string().refine((text) => decoded(text, 32) !== undefined, 'not 32 bytes in base64');
const file = z.strictObject({
  format: z.literal(1),
  /** By which it is a server: requests, its membership. */
  signing: z.strictObject({ id: z.string().regex(/^ed25519:[A-Za-z0-9_]+$/u), seed }),
  /** By which it lets events pass; its public half stands in `m.room.policy`. */
  policy: z.strictObject({ seed }),
  old: z.array(z.strictObject({ id: z.string(), key: z.string(), expired_ts: z.int() })),
});
type KeyFile = z.infer<typeof file>;

/** The policy server's keys, as their owner uses them. */
export type ServerKeys = {
  readonly signingKeyId: string;
  readonly signing: Signer;
  readonly policy: Signer;
  /** The public half by which it was a server at that time (milliseconds): what an earlier key signed stays true. */
  verifying(keyId: string, at: number): KeyObject | undefined;
  /** The answer of `/_matrix/key/v2/server` (server-server API §"Publishing Keys"). */
  published(serverName: string, now: number): JsonObject;
};

/** How long others may keep what is published. Milliseconds. */
const VALID_MS = 24 * 3_600_000;

/** Reads the keys; makes them when there are none, for their owner alone. Errors say what to do and hold no key. */
export function openServerKeys(path: string): ServerKeys {
  if (!existsSync(path)) write(path, { format: 1, signing: newSigning(), policy: newSeed(), old: [] }, 'new');
  const { signing: { id: signingKeyId, seed: signingSeed }, policy: { seed: policySeed }, old } = read(path);
  const signing = signerOf(Buffer.from(signingSeed, 'base64'));
  return {
    signingKeyId, signing,
    policy: signerOf(Buffer.from(policySeed, 'base64')),
    verifying: (keyId, at) => publicKeyOf(keyId === signingKeyId ? signing.publicKey : old.find(({ id, expired_ts: expired }) => id === keyId && at <= expired)?.key),
    published(serverName, now) {
      const keys = {
        server_name: serverName, valid_until_ts: now + VALID_MS,
        verify_keys: { [signingKeyId]: { key: signing.publicKey } },
        old_verify_keys: Object.fromEntries(old.map(({ id, key, expired_ts: expired }) => [id, { key, expired_ts: expired }])),
      };
      return { ...keys, signatures: { [serverName]: { [signingKeyId]: signing.sign(Buffer.from(canonicalJson(keys))) } } };
    },
  };
}

/**
 * Puts new keys in force; those of before stay among the old ones, so that what they signed can be verified. A new policy key takes effect in a room
 * once its `m.room.policy` names it: the running server sees to that at its next start.
 */
export function rotateServerKeys(path: string, which: 'signing' | 'policy', now: number): void {
  const before = read(path);
  if (which === 'policy') { write(path, { ...before, policy: newSeed() }, 'replace'); return; }
  const { signing: { id, seed: former }, old } = before;
  write(path, { ...before, signing: newSigning(), old: [...old, { id, key: signerOf(Buffer.from(former, 'base64')).publicKey, expired_ts: now }] }, 'replace');
}

const newSeed = (): KeyFile['policy'] => ({ seed: unpadded(randomBytes(32)) });
const newSigning = (): KeyFile['signing'] => ({ id: `ed25519:a_${randomBytes(4).toString('hex')}`, ...newSeed() });

function read(path: string): KeyFile {
  let content: unknown;
  try {
    if ((statSync(path).mode & 0o077) !== 0) throw new Error('others on this machine can read it: chmod 600');
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`policy_server.keys_file: ${path} can't be used (${error instanceof SyntaxError ? 'not JSON' : error instanceof Error ? error.message : 'unknown'}). Restore it from its copy; a new one makes every room name a new key.`, { cause: error });
  }
  const parsed = file.safeParse(content);
  if (!parsed.success) throw new Error(`policy_server.keys_file: ${path} is not a key file of a policy server (${parsed.error.issues.map(({ path: where, message }) => `${where.join('.')}: ${message}`).join('; ')}). Restore it from its copy.`);
  return parsed.data;
}

/** On the disk before it has its name; `new` never replaces one that another process made meanwhile. */
function write(path: string, keys: KeyFile, how: 'new' | 'replace'): void {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const opened = openSync(draft, 'wx', 0o600);
  try {
    writeSync(opened, `${JSON.stringify(keys, null, 2)}\n`);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  if (how === 'replace') { renameSync(draft, path); return; }
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
