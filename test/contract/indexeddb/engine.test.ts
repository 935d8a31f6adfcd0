import { expect } from 'chai';
import { DeviceId, EncryptionSettings, initAsync, OlmMachine, RoomId, StoreHandle, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import { readFileSync } from 'node:fs';
import type { SqliteIndexedDB } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { cleanUp, freshPath, openFile } from './support.ts';

const FILE_KEY = new Uint8Array(32).fill(1);
const STORE_KEY = new Uint8Array(32).fill(2);
const ROOM = '!room:example.org';
const GLOBALS = ['indexedDB', 'IDBCursor', 'IDBCursorWithValue', 'IDBDatabase', 'IDBFactory', 'IDBIndex', 'IDBKeyRange', 'IDBObjectStore', 'IDBOpenDBRequest', 'IDBRecord', 'IDBRequest', 'IDBTransaction', 'IDBVersionChangeEvent'];

describe('the Matrix crypto engine (@matrix-org/matrix-sdk-crypto-wasm) over this IndexedDB', () => {
  let before: (readonly [string, PropertyDescriptor | undefined])[] = [];
  before = GLOBALS.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  beforeEach(() => initAsync());
  afterEach(async () => {
    await cleanUp();
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, descriptor);
    }
  });

  function installed(path: string): SqliteIndexedDB {
    const file = openFile(path, { key: FILE_KEY, synchronous: 'NORMAL' });
    file.install();
    return file;
  }

  async function machine(key = STORE_KEY): Promise<OlmMachine> {
    return OlmMachine.initFromStore(new UserId('@courier:example.org'), new DeviceId('DEVICE'), await StoreHandle.openWithKey('courier', key));
  }

  async function encrypt(olm: OlmMachine, body: string): Promise<{ readonly session_id: string; readonly ciphertext: string }> {
    return JSON.parse(await olm.encryptRoomEvent(new RoomId(ROOM), 'm.room.message', JSON.stringify({ body }))) as { session_id: string; ciphertext: string };
  }

  async function share(olm: OlmMachine): Promise<void> {
    const settings = new EncryptionSettings();
    settings.rotationPeriodMessages = 10_000n;
    settings.rotationPeriod = 604_800_000_000n;
    await olm.shareRoomKey(new RoomId(ROOM), [new UserId('@courier:example.org')], settings);
  }

  it('opens, is closed and opened again, and is the same device with the same room session', async () => {
    const path = freshPath();
    let file = installed(path);
    let olm = await machine();
    const identity = [olm.identityKeys.ed25519.toBase64(), olm.identityKeys.curve25519.toBase64()];
    await olm.updateTrackedUsers([new UserId('@doctor:example.org')]);
    await share(olm);
    const first = await encrypt(olm, 'one');
    olm.close();
    await file.close();

    file = installed(path);
    olm = await machine();
    expect([olm.identityKeys.ed25519.toBase64(), olm.identityKeys.curve25519.toBase64()]).to.deep.equal(identity);
    expect([...(await olm.trackedUsers())].map((user) => (user).toString())).to.include('@doctor:example.org');
    await share(olm);
    const second = await encrypt(olm, 'two');
    expect(second.session_id).to.equal(first.session_id);
    expect([messageIndex(first.ciphertext), messageIndex(second.ciphertext)]).to.deep.equal([0, 1]);
    olm.close();
  });

  it('refuses another key for its own store, and the right one works after', async () => {
    installed(freshPath());
    const olm = await machine();
    const identity = olm.identityKeys.ed25519.toBase64();
    olm.close();
    const refused: unknown = await machine(new Uint8Array(32).fill(3)).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
    const again = await machine();
    expect(again.identityKeys.ed25519.toBase64()).to.equal(identity);
    again.close();
  });

  it('leaves the ids of users and rooms that it knows out of the file', async () => {
    const path = freshPath();
    const file = installed(path);
    const olm = await machine();
    await olm.updateTrackedUsers([new UserId('@doctor-whom-nobody-may-see:example.org')]);
    await share(olm);
    olm.close();
    await file.close();
    expect(readFileSync(path).includes('doctor-whom-nobody-may-see')).to.equal(false);
  });

  it('encrypts at a rate that is worth reading', async () => {
    const file = installed(freshPath());
    const olm = await machine();
    await share(olm);
    const messages = 2000;
    const from = performance.now();
    for (let n = 0; n < messages; n++) await encrypt(olm, `message ${n}`);
    const rate = (1000 * messages) / (performance.now() - from);
    await file.barrier((sql) => sql.exec('CREATE TABLE journal(n INTEGER) STRICT'));
    const start = performance.now();
    for (let n = 0; n < 200; n++) await file.barrier((sql) => sql.prepare('INSERT INTO journal VALUES(?)').run(n));
    console.log(`      ${Math.round(rate)} encryptions/s (sealed, NORMAL); ${Math.round(200_000 / (performance.now() - start))} barriers/s`);
    olm.close();
    expect(rate).to.be.greaterThan(100);
  });
});

/** Of a Megolm message: version 3, then field 1 (0x08) as a varint. */
function messageIndex(ciphertext: string): number {
  const bytes = Buffer.from(ciphertext, 'base64');
  expect([bytes[0], bytes[1]]).to.deep.equal([3, 8]);
  return bytes[2] ?? -1;
}
