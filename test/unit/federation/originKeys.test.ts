import { expect } from 'chai';
import type { Ask } from '../../../src/adapters/federation/client.ts';
import { signerOf, type Signer } from '../../../src/adapters/federation/ed25519.ts';
import { createOriginKeys, type OriginKeys } from '../../../src/adapters/federation/originKeys.ts';
import { signedBytes, type JsonObject } from '../../../src/adapters/federation/signedJson.ts';
import { ok } from '../../../src/domain/outcome.ts';

const [OWN, PARTNER] = ['mercy.example', 'stanne.example'];
const DAY = 86_400_000;
const own = signerOf(Buffer.alloc(32, 1));
const [first, second] = [signerOf(Buffer.alloc(32, 2)), signerOf(Buffer.alloc(32, 3))];

describe('Keys of the servers that ask', () => {
  let clock: number;
  /** What the notary holds of the partner; it gives what has the key that it is asked for, and all when it is asked for none. */
  let held: JsonObject[];
  let asked: string[];
  let keys: OriginKeys;
  let wait: Promise<void> | undefined;

  const signed = (object: JsonObject, name: string, id: string, signer: Signer): JsonObject => ({ ...object, signatures: { ...(object['signatures'] as object | undefined), [name]: { [id]: signer.sign(signedBytes(object)) } } });
  const published = (name: string, id: string, signer: Signer, until: number, more: JsonObject = {}): JsonObject =>
    signed(signed({ server_name: name, valid_until_ts: until, verify_keys: { [id]: { key: signer.publicKey }, ...more }, old_verify_keys: {} }, name, id, signer), OWN, 'ed25519:own', own);
  const ask: Ask = async (_, uri, { content } = {}) => {
    if (uri === '/_matrix/key/v2/server') return ok({ status: 200, body: published(OWN, 'ed25519:own', own, clock + DAY) });
    const [[, wanted] = ['', {}]] = Object.entries((content as { readonly server_keys: Readonly<Record<string, object>> }).server_keys);
    const ids = Object.keys(wanted);
    asked.push(ids.join(' ') || 'all');
    await wait;
    return ok({ status: 200, body: { server_keys: held.filter(({ verify_keys: named }) => ids.length === 0 || ids.some((id) => Object.hasOwn(named as object, id))) } });
  };
  const has = async (keyId: string, at = clock): Promise<boolean> => (await keys.find(PARTNER, keyId, at)) !== undefined;

  beforeEach(() => {
    [clock, asked, wait] = [1_800_000_000_000, [], undefined];
    held = [published(PARTNER, 'ed25519:a', first, clock + DAY)];
    keys = createOriginKeys({ ask, ownServer: OWN, now: () => clock });
  });

  it('are asked for once in a while for each server, whatever ids strangers make up', async () => {
    for (let count = 0; count < 50; count += 1) expect(await has(`ed25519:made_up_${count}`)).to.equal(false);
    expect(asked).to.deep.equal(['ed25519:made_up_0', 'all']);
  });

  it('are found by who comes while a made-up id is being asked for', async () => {
    let go = (): void => undefined;
    wait = new Promise((resolve) => { go = resolve; });
    const [bogus, real] = [has('ed25519:made_up'), has('ed25519:a')];
    go();
    expect(await Promise.all([bogus, real])).to.deep.equal([false, true]);
    expect(await has('ed25519:a'), 'and stay').to.equal(true);
  });

  it('of now are ended by a newer document only: an older one that the notary still holds adds what it alone knows', async () => {
    expect(await has('ed25519:a')).to.equal(true);
    clock += 6000;
    held = [published(PARTNER, 'ed25519:b', second, clock + 1000)];
    expect(await has('ed25519:b'), 'the older one\'s').to.equal(true);
    clock += 2000;
    expect(await has('ed25519:a'), 'the newer one\'s').to.equal(true);
    expect(await has('ed25519:b')).to.equal(false);
    clock += 6000;
    held = [published(PARTNER, 'ed25519:c', second, clock + 2 * DAY)];
    expect(await has('ed25519:c')).to.equal(true);
    expect(await has('ed25519:a', clock - 1000), 'for what it signed till then').to.equal(true);
    expect(await has('ed25519:a', clock + 1)).to.equal(false);
  });

  it('of events of long ago have a turn of their own, which strangers can\'t take', async () => {
    const past = clock - 3_600_000;
    expect(await has('ed25519:made_up')).to.equal(false);
    held = [...held, published(PARTNER, 'ed25519:past', second, past + 1000)];
    expect(await has('ed25519:past', past)).to.equal(true);
  });

  it('are read from a document up to a hundred, so that nobody can have us try thousands', async () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`ed25519:k${index}`, { key: second.publicKey }]));
    held = [published(PARTNER, 'ed25519:a', first, clock + DAY, many)];
    expect(await has('ed25519:a')).to.equal(true);
    expect([await has('ed25519:k98'), await has('ed25519:k99')]).to.deep.equal([true, false]);
  });
});
