/** One user, several devices: all signed by one identity, which outlives each of them. */
import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CourierOptions, IdentityKeeper } from '../../src/adapters/crypto/courier.ts';
import { temporaryFolder } from '../support/folders.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { inProcess, joinedRoom, keptIn, message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('devices of one courier', function () {
  this.timeout(120_000);
  let anna: Client;
  let folder: string;

  before(async () => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register('identity_anna', 'pw');
    anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'identity_anna', password: 'pw' });
    folder = temporaryFolder('identity');
  });
  after(() => anna.stop());

  /** The settings of a further device of the same user. */
  const seat = (name: string, identity: IdentityKeeper): Partial<CourierOptions> => ({ deviceId: name, storeId: name, storePath: join(folder, `${name}.db`), identity });
  const send = async (courier: Started, roomId: Awaited<ReturnType<typeof joinedRoom>>, body: string): Promise<void> => {
    expect(await courier.send(message(body, roomId, [anna.userId], body))).to.have.property('ok', true);
    const seen = await anna.waitForMessage(({ content }) => content['body'] === body);
    expect(seen).to.include({ shieldColour: 'none', shieldReason: null });
  };

  it('a later one is signed by the identity of the first: people see no change, and read both', async () => {
    const place = await newPlace();
    const identity = keptIn(join(folder, 'two'));
    const first = await start(place, seat('FIRSTDEVICE', identity));
    await ready(first);
    const roomId = await joinedRoom(place, [anna]);
    await send(first, roomId, 'from the first');
    const master = await masterKey(place);
    const second = await start(place, seat('SECONDDEVICE', identity));
    await ready(second);
    await send(second, roomId, 'from the second');
    expect(await masterKey(place)).to.equal(master);
    await send(first, roomId, 'from the first again');
    const event = await place.event(roomId, await anna.send(roomId, { msgtype: 'm.text', body: 'an answer to both' }));
    for (const courier of [first, second]) {
      await until('the answer to be readable', async () => (await courier.decrypt(roomId, event)).ok);
      expect(await courier.decrypt(roomId, event)).to.deep.include({ ok: true }).and.have.nested.property('value.signedByOwner', true);
    }
    await Promise.all([first.stop(), second.stop()]);
    place.clear();
  });

  it('goes on with the identity when the device that made it died before anything of it was published', async () => {
    const place = await newPlace();
    const identityFile = join(folder, 'kept');
    const { identity: _, ...changes } = seat('DIEDDEVICE', keptIn(identityFile));
    const died = await inProcess(place, { messages: [], identityFile, killAt: { name: 'identity-kept', time: 1 } }, { options: changes });
    expect(died.ended).to.equal('SIGKILL');
    expect(existsSync(identityFile)).to.equal(true);
    expect(await masterKey(place)).to.equal(undefined);
    const next = await start(place, seat('NEXTDEVICE', keptIn(identityFile)));
    await ready(next);
    await send(next, await joinedRoom(place, [anna]), 'from the next');
    await next.stop();
    place.clear();
  });

  it('two that begin at once make one identity: the second waits until the first has kept it', async () => {
    const place = await newPlace();
    const identity = oneMakes(keptIn(join(folder, 'race')));
    const couriers = await Promise.all([start(place, seat('RACEDEVICEA', identity())), start(place, seat('RACEDEVICEB', identity()))]);
    await Promise.all(couriers.map(ready));
    const roomId = await joinedRoom(place, [anna]);
    for (const courier of couriers) await send(courier, roomId, `from ${courier.deviceId}`);
    expect(couriers.flatMap(({ logs }) => logs.map(({ code }) => code))).to.not.include('identity-replaced');
    await Promise.all(couriers.map((courier) => courier.stop()));
    place.clear();
  });

  it('a device of before, whose identity nobody kept, gives it to the keeper, and stays the same', async () => {
    const place = await newPlace();
    const before = await start(place);
    await ready(before);
    const master = await masterKey(place);
    await before.stop();
    const identityFile = join(folder, 'adopted');
    const after = await start(place, { identity: keptIn(identityFile) });
    await ready(after);
    expect(existsSync(identityFile)).to.equal(true);
    const next = await start(place, seat('LATERDEVICE', keptIn(identityFile)));
    await ready(next);
    expect(await masterKey(place)).to.equal(master);
    await send(next, await joinedRoom(place, [anna]), 'from a later device');
    await Promise.all([after.stop(), next.stop()]);
    place.clear();
  });

  it('waits, and says so, while the identity can\'t be had', async () => {
    const place = await newPlace();
    const courier = await start(place, { identity: { recall: () => Promise.reject(new Error('the database is away')), keep: () => Promise.reject(new Error('the database is away')) } });
    expect(await until('the problem to be told', () => courier.status().problem)).to.match(/identity .* can't be had/);
    await courier.stop();
    place.clear();
  });
});

/** Keepers of one identity, of which one at a time may make it. */
function oneMakes(keeper: IdentityKeeper): () => IdentityKeeper {
  let maker: object | undefined;
  return () => {
    const self = {};
    return {
      async recall() {
        const kept = await keeper.recall();
        if (kept === undefined && maker !== undefined && maker !== self) throw new Error('another is making it');
        if (kept === undefined) maker = self;
        return kept;
      },
      keep: (identity) => keeper.keep(identity),
    };
  };
}

async function masterKey(place: Place): Promise<string | undefined> {
  const answer = await place.call('/keys/query', { device_keys: { [place.userId]: [] } });
  const keys = (answer['master_keys'] as Record<string, { keys: Record<string, string> }> | undefined)?.[place.userId]?.keys ?? {};
  return Object.values(keys)[0];
}
