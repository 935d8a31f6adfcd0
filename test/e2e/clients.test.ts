import { expect } from 'chai';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient, type JsClientOptions } from '../support/clients/jssdk.ts';
import { startNioClient } from '../support/clients/nio.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { heldList, known, membershipOf, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-clients';
const people = { ada: '1000000001', bea: '1000000002', una: '1000000003', nia: '1000000004' };
type Name = keyof typeof people;

let hospitals: Hospitals;
const running: Client[] = [];
const started = async (starting: Promise<Client>): Promise<Client> => {
  const client = await starting;
  running.push(client);
  return client;
};
const js = (user: Name, options: Partial<JsClientOptions> = {}): Promise<Client> =>
  started(startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: `clients_${user}`, password: PASSWORD, ...options }));
const nio = (): Promise<Client> => started(startNioClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'clients_nia', password: PASSWORD }));

/** An Aceso for these people of St. Anne. */
async function acesoFor(slot: Slot, names: readonly Name[], unsignedDevices: 'allow' | 'withhold'): Promise<Aceso> {
  const registered = await Promise.all(names.map((name) => hospitals.stAnne.register(`clients_${name}`, PASSWORD)));
  const aceso = await newAceso({
    mercy: hospitals.mercy, slot, partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], unsignedDevices,
    people: names.map((name, index) => ({ id: name, name: `Dr. ${name}`, user_id: registered[index] ?? '', npi: people[name] })),
  });
  await aceso.start();
  return aceso;
}

before(async () => {
  hospitals = await sharedHospitals();
});

for (const { what, name, trust, first, another } of [
  {
    what: 'matrix-js-sdk at its default trust, where only signed devices get keys', name: 'ada', trust: 'withhold',
    first: () => js('ada', { recovery: 'create' }), another: ({ recoveryKey = '' }: Client) => js('ada', { recovery: { key: recoveryKey } }),
  },
  { what: 'matrix-nio, which knows no cross-signing, where unsigned devices are allowed', name: 'nia', trust: 'allow', first: nio, another: nio },
] as const) {
  describe(`${what}, decrypts every message sent after its device existed`, function () {
    this.timeout(120_000);
    let aceso: Aceso;
    let slot: Slot;
    let count = 0;
    const devices: { readonly client: Client; readonly expected: string[] }[] = [];

    const add = async (starting: Promise<Client>): Promise<Client> => {
      const client = await starting;
      devices.push({ client, expected: [] });
      return client;
    };
    /** Every device that there is by now must read it. */
    const push = async (): Promise<string> => {
      const accession = `C-${name}-${(count += 1)}`;
      for (const { expected } of devices) expected.push(accession);
      await tell(aceso, accession, people[name]);
      return accession;
    };
    /** Gives its event, the same on every device. */
    const everyDeviceSees = async (accession: string): Promise<string> => {
      const events = new Set((await Promise.all(devices.map(({ client }) => sees(client, accession)))).map(({ eventId }) => eventId));
      expect([...events], accession).to.have.lengthOf(1);
      return [...events].join();
    };
    const device = (): Client => {
      const [oldest] = devices;
      if (!oldest) throw new Error('no device yet');
      return oldest.client;
    };

    before(async () => {
      slot = hospitals.takeSlot();
      aceso = await acesoFor(slot, name === 'ada' ? ['ada', 'bea', 'una'] : ['nia'], trust);
      await add(first());
    });
    after(async () => {
      await Promise.all([...running.splice(0).map((client) => client.stop()), aceso.stop()]);
      aceso.remove();
    });

    it('several results in a row, in their order', async () => {
      const accessions = [await push(), await push(), await push()];
      const events: string[] = [];
      for (const accession of accessions) events.push(await everyDeviceSees(accession));
      expect(device().messages.map(({ eventId }) => eventId).filter((eventId) => events.includes(eventId))).to.deep.equal(events);
    });

    it('after Aceso was stopped and started', async () => {
      await aceso.stop();
      await aceso.start();
      await everyDeviceSees(await push());
    });

    it('after Aceso was killed the moment it had taken a result', async () => {
      const accession = await push();
      await aceso.kill();
      await aceso.start();
      await everyDeviceSees(accession);
      await everyDeviceSees(await push());
    });

    it('on a second, new device, and on the first', async () => {
      await known(hospitals.mercy, slot, await add(another(device())), trust === 'allow' ? 'unsigned' : 'signed');
      await everyDeviceSees(await push());
    });

    it('after they left the room, took a new device, and were invited anew for a new result', async () => {
      const [roomId = ''] = device().joinedRooms;
      await device().leave(roomId);
      await until('Aceso to know that they left', async () => await membershipOf(aceso, name, device().userId) === 'left', 60_000, 200);
      const newest = await add(another(device()));
      // The first of these brings the invitation; the others come while they join.
      const accessions = [await push(), await push(), await push()];
      const events: string[] = [];
      for (const accession of accessions) events.push(await everyDeviceSees(accession));
      // As they were decrypted: the keys may come after the events.
      expect(newest.messages.map(({ eventId }) => eventId), 'without looking back').to.have.members(events);
      await until('it to know that it is in the same room', () => [...newest.joinedRooms].join() === roomId);
      await until('nothing to be held', async () => (await heldList(aceso)).length === 0, 60_000, 200);
    });

    it('and nothing that was sent since a device existed is left unread on it', async () => {
      for (const { client, expected } of devices) for (const accession of expected) await sees(client, accession);
      await until('the oldest device to have the keys of everything', () => device().undecryptable.length === 0).catch((cause: unknown) => {
        throw new Error(JSON.stringify(device().undecryptable), { cause });
      });
      expect(count).to.be.greaterThan(6);
    });

    if (name !== 'ada') return;

    it('also on a device that came while its owner was only invited: it is sent when they accept', async () => {
      const early = await js('bea', { joinInvites: false, recovery: 'create' });
      await tell(aceso, 'B-1', people.bea);
      await aceso.delivery('B-1 waiting for her', ({ party, phase, members }) => party === 'bea' && phase === 'addressed' && members[early.userId] === 'invited');
      const late = await js('bea', { joinInvites: false, recovery: { key: early.recoveryKey ?? '' } });
      await tell(aceso, 'B-2', people.bea);
      const roomId = await until('the invitation', () => late.invitations[0]?.roomId);
      await until('the invitation to be accepted', () => late.join(roomId, [hospitals.mercy.serverName]).then(() => true as const));
      await Promise.all([early, late].flatMap((client) => [sees(client, 'B-1'), sees(client, 'B-2')]));
      expect(early.undecryptable).to.deep.equal([]);
    });

    it('a person whose only device is unsigned holds the message, with an owner, until a signed one appears', async () => {
      const unsigned = await js('una', { crossSigning: false });
      await tell(aceso, 'U-1', people.una);
      await aceso.delivery('held for want of a device', ({ party, held }) => party === 'una' && held?.code === 'no-device');
      const [held] = await heldList(aceso);
      expect(held?.held).to.include({ code: 'no-device', owner: 'Laboratory desk, ext. 4410' });
      expect(held?.held?.reason).to.include(unsigned.userId).and.include('signed');
      await sees(await js('una'), 'U-1');
      await until('nothing to be held', async () => (await heldList(aceso)).length === 0, 60_000, 200);
      expect(unsigned.messages.filter(({ wasEncrypted }) => wasEncrypted)).to.deep.equal([]);
    });

    it('an unsigned second device gets no keys, and is told that they are withheld from it', async () => {
      const unsigned = await js('ada', { crossSigning: false });
      await known(hospitals.mercy, slot, unsigned, 'unsigned');
      const event = await everyDeviceSees(await push());
      await until('the unsigned device to learn why', () => unsigned.undecryptable.some((each) => each.eventId === event && each.reason === 'MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE'));
      expect(unsigned.messages).to.deep.equal([]);
    });
  });
}
