/** Keeps the engine's thread alive: starts it, waits no longer than the deadline for an answer, and starts another when it ends. */
import { Worker } from 'node:worker_threads';
import type { CourierOptions, FaultPoint, ThreadOptions } from './options.ts';
import type { Ask, Calls, FromThread, IdentityAnswer, IdentityAsk, ToThread } from './protocol.ts';

export type EngineThread = {
  /** `lost`: the thread ended before it answered. What it had stored by then is stored; asking again is safe. */
  call<Name extends keyof Calls>(call: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer'] | 'lost'>;
  readonly restarts: number;
  /** Ends it for good. */
  stop(): Promise<void>;
};

export type ThreadHooks = {
  /** Everything that isn't an answer. */
  readonly heard: (message: Exclude<FromThread, { kind: 'answer' | 'fault' | 'fatal' | 'identity' }>) => void;
  readonly ended: (why: string) => void;
  readonly faultPoint: CourierOptions['faultPoint'];
  readonly identity: CourierOptions['identity'];
};

type Pending = { readonly settle: (answer: Calls[keyof Calls]['answer'] | 'lost') => void };

const stopMs = 8_000;
const longestPauseMs = 30_000;

/** Resolves when the store is open. Rejects, with what to do, when it can't be. */
export async function startThread(options: ThreadOptions, hooks: ThreadHooks): Promise<EngineThread> {
  const pending = new Map<number, Pending>();
  let calls = 0;
  let restarts = 0;
  let failuresInARow = 0;
  let state: 'running' | 'stopping' = 'running';
  let worker: Worker | undefined;
  let gone: Promise<void> = Promise.resolve();
  let pause: NodeJS.Timeout | undefined;
  const { promise: opened, resolve: nowOpen, reject: neverOpen } = Promise.withResolvers<undefined>();

  const start = (): void => {
    const started = new Worker(new URL(import.meta.url.endsWith('.ts') ? './engine-worker.ts' : './engine-worker.js', import.meta.url), { workerData: options, name: 'aceso-courier', stdout: true, stderr: true });
    // What the engine prints is for developers of the engine, and nobody has looked it through for PHI: only the place of a panic is told.
    started.stdout.resume();
    started.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      const place = /panicked at \S*\/([\w-]+\.rs:\d+)/.exec(chunk)?.[1];
      if (place !== undefined) hooks.heard({ kind: 'log', event: { level: 'error', code: 'engine-panic', reason: place } });
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    worker = started;
    gone = promise;
    let why = 'exit';
    started.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'answer':
          pending.get(message.id)?.settle(message.answer);
          return;
        case 'fault':
          void passFault(started, message.id, message.name, hooks.faultPoint);
          return;
        case 'identity':
          void passIdentity(started, message.id, message.ask, hooks.identity);
          return;
        case 'fenced':
          state = 'stopping'; // another holder has the device: no thread of ours may follow
          neverOpen(new Error('another holder has taken the store'));
          break;
        case 'fatal':
          why = message.message;
          neverOpen(new Error(message.message));
          return;
        case 'opened':
          nowOpen(undefined);
          break;
        case 'synced':
          failuresInARow = 0;
          break;
        case 'problem':
        case 'removed':
        case 'keys':
        case 'log':
      }
      hooks.heard(message);
    });
    started.on('error', (error) => {
      why = error instanceof Error ? error.name : 'error';
    });
    started.once('exit', () => {
      resolve(undefined);
      worker = undefined;
      for (const { settle } of pending.values()) settle('lost');
      if (state === 'stopping') return;
      restarts += 1;
      failuresInARow += 1;
      neverOpen(new Error(`the engine's thread ended while it started: ${why}`));
      hooks.ended(why);
      pause = setTimeout(start, failuresInARow === 1 ? 0 : Math.min(250 * 2 ** failuresInARow, longestPauseMs));
    });
  };

  const call: EngineThread['call'] = (name, ask) => new Promise((resolve) => {
    const asked = worker;
    if (!asked) {
      resolve('lost');
      return;
    }
    const id = (calls += 1);
    const deadline = setTimeout(() => {
      hooks.heard({ kind: 'log', event: { level: 'error', code: 'engine-deadline', reason: name } });
      void asked.terminate();
    }, options.deadlineMs);
    pending.set(id, {
      settle: (answer) => {
        clearTimeout(deadline);
        pending.delete(id);
        resolve(answer);
      },
    });
    asked.postMessage({ kind: 'ask', id, ask: { call: name, ask } as Ask } satisfies ToThread);
  });

  const stop = async (): Promise<void> => {
    if (state === 'stopping') return gone;
    state = 'stopping';
    clearTimeout(pause);
    const patience = setTimeout(() => void worker?.terminate(), stopMs);
    if (worker) await call('stop', null);
    clearTimeout(patience);
    await worker?.terminate();
    await gone;
  };

  start();
  try {
    await opened;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    call,
    get restarts() {
      return restarts;
    },
    stop,
  };
}

async function passFault(worker: Worker, id: number, name: FaultPoint, faultPoint: CourierOptions['faultPoint']): Promise<void> {
  const action = await faultPoint?.(name);
  worker.postMessage({ kind: 'fault-passed', id, action: action ?? 'go' } satisfies ToThread);
}

async function passIdentity(worker: Worker, id: number, ask: IdentityAsk, keeper: CourierOptions['identity']): Promise<void> {
  worker.postMessage({ kind: 'identity-answer', id, answer: await answerOf(ask, keeper) } satisfies ToThread);
}

async function answerOf(ask: IdentityAsk, keeper: CourierOptions['identity']): Promise<IdentityAnswer> {
  try {
    if (ask.call === 'keep') await keeper?.keep(ask.identity);
    const identity = ask.call === 'keep' ? ask.identity : await keeper?.recall();
    return identity === undefined ? { is: 'none' } : { is: 'kept', identity };
  } catch {
    return { is: 'refused' };
  }
}
