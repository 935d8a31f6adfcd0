import { expect } from 'chai';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { potassiumReport } from '../support/fhir.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

/** Every named step of the path, in its order. Killed at each, the message arrives exactly once, and decrypts. */
const STEPS = [
  ['http.received', 'the push is read, nothing is stored'],
  ['receive.committed', 'the push is stored, the laboratory has no answer yet'],
  ['decide.claimed', 'the fact is claimed'],
  ['decide.committed', 'the report is decided, its delivery is not'],
  ['decide.committed:3', 'the delivery and its room are decided'],
  ['effect.claimed', 'the effect is claimed'],
  ['room.created', 'the room is made, Aceso has not written it down'],
  ['room.entered', 'the courier is in the room, Aceso has not written it down'],
  ['room.invited', 'the recipient is invited, Aceso has not written it down'],
  ['event.confirmed', 'the homeserver has said that it shows the recipient\'s join, Aceso has not written it down'],
  ['matrix.received', 'the homeserver\'s transaction is read, nothing is stored'],
  ['matrix.committed', 'the homeserver\'s transaction is stored, it has no answer yet'],
  ['courier.keys-shared', 'the keys are with the devices'],
  ['courier.encrypted', 'the message is encrypted, the ciphertext is nowhere but in memory'],
  ['courier.journalled', 'the ciphertext is in the journal, not sent'],
  ['courier.put', 'the homeserver has the event, the journal does not know'],
  ['courier.marked', 'the journal knows, the outbox does not'],
  ['effect.done:3', 'the effect is done, its outcome is not stored'],
  ['effect.settled:3', 'the outcome is stored, the delivery does not know'],
] as const;

describe(`Killed with SIGKILL at each of ${STEPS.length} steps, Aceso loses nothing and repeats nothing`, function () {
  this.timeout(120_000);
  const store = process.env['ACESO_TEST_STORE'] === 'postgres' ? 'postgres' : 'sqlite';
  let hospitals: Hospitals;
  let aceso: Aceso;
  const npiOf = (index: number): string => String(2_000_000_000 + index);

  before(async () => {
    hospitals = await sharedHospitals();
    const users = await Promise.all(STEPS.map((_, index) => hospitals.stAnne.register(`kill${index}`, 'password-of-kill')));
    const url = store === 'postgres' ? await openTestDatabase() : undefined;
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], ...(url === undefined ? {} : { postgresUrl: url }),
      people: users.map((user, index) => ({ id: `kill${index}`, name: `Dr. Kill ${index}`, user_id: user, npi: npiOf(index) })),
    });
    await start();
    await until('the directory to be loaded', async () => (await aceso.cli<{ readonly undecided: number }>('status')).undecided === 0);
  });
  after(async () => {
    await aceso.stop();
    aceso.remove();
  });

  for (const [index, [step, meaning]] of STEPS.entries()) {
    it(`${step}: ${meaning}`, async () => {
      const starting = startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: `kill${index}`, password: 'password-of-kill' });
      try {
        await killedAt(step, index);
        await start();
        const client = await starting;
        await pushUntilAnswered(`K-${index}`, index);
        const message = await client.waitForMessage(({ content }) => String(content['body']).includes(`K-${index}`), 60_000);
        await pushUntilAnswered(`K-${index}-later`, index);
        await client.waitForMessage(({ content }) => String(content['body']).includes(`K-${index}-later`), 60_000);
        expect(message.wasEncrypted).to.equal(true);
        expect(told(client, `K-${index}`), 'exactly once').to.equal(1);
        expect(client.undecryptable).to.deep.equal([]);
      } finally {
        await (await starting).stop();
      }
    });
  }

  it('and makes one delivery of each result, however often it was pushed', async () => {
    const deliveries = await aceso.deliveries();
    expect(STEPS.map((_, index) => deliveries.filter(({ party }) => party === `kill${index}`).length)).to.deep.equal(STEPS.map(() => 2));
  });

  /** It goes on from step to step; where it is to end, it is told when it runs. */
  async function start(): Promise<void> {
    rmSync(order(), { force: true });
    if (aceso.ended() !== undefined) await aceso.start({ ACESO_TEST_KILL_FILE: order() });
  }

  /** Orders it to end at the step, pushes, and sees it end so. */
  async function killedAt(step: string, index: number): Promise<void> {
    await start();
    writeFileSync(`${order()}.new`, step);
    renameSync(`${order()}.new`, order());
    await aceso.push('/DiagnosticReport', potassiumReport({ accession: `K-${index}`, npi: npiOf(index) })).catch(() => undefined);
    await until(`Aceso to be killed at ${step}`, () => aceso.ended(), 60_000);
    expect(aceso.ended()).to.equal('SIGKILL');
  }

  const order = (): string => join(aceso.folder, 'kill-order');

  /** As a laboratory does: what got no 2xx is sent again. */
  const pushUntilAnswered = (accession: string, index: number): Promise<number> => until(`a 2xx for ${accession}`, async () => {
    const { status } = await aceso.push('/DiagnosticReport', potassiumReport({ accession, npi: npiOf(index) }));
    return status === 200 || status === 201 ? status : undefined;
  });

  const told = (client: Client, accession: string): number => client.messages.filter(({ content }) => new RegExp(`${accession}(?!-later)`, 'u').test(String(content['body']))).length;
});
