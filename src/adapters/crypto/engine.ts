/** The Rust engine, opened over its store, with a limit on how long each of its calls may take. */
import { DeviceId, initAsync, LoggerLevel, OlmMachine, StoreHandle, Tracing, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { ThreadOptions } from './options.ts';
import { subkey } from './store.ts';

export type Engine = {
  readonly machine: OlmMachine;
  /**
   * Waits for a call of the engine. A panic leaves its promise unsettled, so when the time is over the thread is given up: the call never
   * settles here either, and the courier opens a new thread over the store.
   */
  within<T>(what: string, call: Promise<T>): Promise<T>;
};

/** Throws when the key is wrong, or the store belongs to another user or device. */
export async function openEngine(options: ThreadOptions, giveUp: (what: string) => void): Promise<Engine> {
  await initAsync();
  const tracing = new Tracing(LoggerLevel.Error);
  tracing.turnOff(); // its lines hold user ids and sentences; what matters comes as a log event of ours
  const handle = await StoreHandle.openWithKey('courier', subkey(options.storeKey, 'engine'));
  const machine = await OlmMachine.initFromStore(new UserId(options.userId), new DeviceId(options.deviceId), handle);
  machine.roomKeyRequestsEnabled = false; // there is no other device of ours to ask
  const limitMs = options.deadlineMs / 2;
  return {
    machine,
    async within(what, call) {
      const timer = setTimeout(() => giveUp(what), limitMs);
      try {
        return await call;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
