/** The program behind `inProcess`: drives a courier, and kills or stops its own process at a named instant, as a power cut or a frozen machine would. */
import { createCourier, type CourierOptions, type FaultPoint } from '../../src/adapters/crypto/courier.ts';
import { keptIn, message, ready } from './courier.ts';
import type { RoomId } from '../../src/domain/brand.ts';

export type ChildCommand = {
  readonly options: Omit<CourierOptions, 'log' | 'storeKey' | 'faultPoint' | 'identity'> & { /** Hexadecimal. */ readonly storeKey: string };
  readonly messages: readonly { readonly id: string; readonly roomId: RoomId; readonly people: readonly string[]; readonly content: Readonly<Record<string, unknown>> }[];
  readonly rotationMessages?: number;
  /** Where the identity is kept. */
  readonly identityFile?: string;
  /** Dies when it reaches this for the `time`th time. */
  readonly killAt?: { readonly name: FaultPoint; readonly time: number };
  /** Stops (SIGSTOP) when it reaches this for the `time`th time, until somebody continues it. */
  readonly stopAt?: { readonly name: FaultPoint; readonly time: number };
};

export type ChildReport = { readonly id: string; readonly outcome: { readonly ok: boolean; readonly value?: { readonly eventId: string }; readonly error?: { readonly code: string } } } | { readonly log: string };

if (process.argv[1] === import.meta.filename) await run(JSON.parse(process.argv[2] ?? '') as ChildCommand);

async function run({ options, messages, killAt, stopAt, rotationMessages, identityFile }: ChildCommand): Promise<void> {
  let times = 0;
  const faultPoint = (name: FaultPoint): undefined => {
    const end = killAt ?? stopAt;
    if (name === end?.name && (times += 1) === end.time) process.kill(process.pid, killAt ? 'SIGKILL' : 'SIGSTOP');
  };
  const say = (report: ChildReport): void => void process.stdout.write(`${JSON.stringify(report)}\n`);
  const courier = await createCourier({ ...options, storeKey: Buffer.from(options.storeKey, 'hex'), log: ({ code }) => say({ log: code }), ...(identityFile === undefined ? {} : { identity: keptIn(identityFile) }), ...(killAt ?? stopAt ? { faultPoint } : {}) });
  await ready(courier);
  for (const { id, roomId, people, content } of messages) {
    const plain = message(id, roomId, people, '', { rotation: { periodMs: 604_800_000, messages: rotationMessages ?? 100 } });
    const outcome = await courier.send({ ...plain, content: plain.content.map(() => content) });
    say({ id, outcome });
  }
  await courier.stop();
}
