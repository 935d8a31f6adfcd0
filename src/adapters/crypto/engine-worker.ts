/** The thread of the encrypting device: takes calls, answers them, and ends when the engine can't be trusted to answer any more. */
import { parentPort, workerData } from 'node:worker_threads';
import { fail, ok } from '../../domain/outcome.ts';
import { openDevice, type Device } from './device.ts';
import type { Action } from './faults.ts';
import { fencedBy } from './fence.ts';
import type { FaultPoint, ThreadOptions } from './options.ts';
import type { Ask, Calls, FromThread, IdentityAnswer, IdentityAsk, ToThread } from './protocol.ts';

if (!parentPort) throw new Error('engine-worker.ts runs as a worker thread only');
const port = parentPort;
const options = workerData as ThreadOptions;
const faultsPending = new Map<number, (action: Action) => void>();
const identityPending = new Map<number, (answer: IdentityAnswer) => void>();
const underWay = new Set<Promise<unknown>>();
let stopped = false;

const tell = (message: FromThread): void => port.postMessage(message);
const opening = openDevice(options, { tell, giveUp, askFault, askIdentity, fenced });
port.on('message', (message: ToThread) => {
  if (message.kind === 'fault-passed') {
    faultsPending.get(message.id)?.(message.action);
    faultsPending.delete(message.id);
    return;
  }
  if (message.kind === 'identity-answer') {
    identityPending.get(message.id)?.(message.answer);
    identityPending.delete(message.id);
    return;
  }
  const work = answer(message.id, message.ask);
  underWay.add(work);
  void work.finally(() => underWay.delete(work));
});
await start();

async function start(): Promise<void> {
  let device: Device;
  try {
    device = await opening;
  } catch (error) {
    if (fencedBy(error)) {
      fenced();
      return;
    }
    tell({ kind: 'fatal', message: `the courier's store can't be opened: ${error instanceof Error ? error.message : String(error)}` });
    setImmediate(() => process.exit(1));
    return;
  }
  tell({ kind: 'opened' });
  await device.run();
}

async function answer(id: number, ask: Ask): Promise<void> {
  const device = await opening.catch(() => undefined);
  if (!device) return; // it is told why, and this thread ends
  // Less than the courier waits: a slow homeserver is this thread's to report, so that silence means that the engine is stuck.
  const signal = AbortSignal.timeout(options.deadlineMs * 0.8);
  tell({ kind: 'answer', id, answer: await answerOf(device, ask, signal) });
}

async function answerOf(device: Device, ask: Ask, signal: AbortSignal): Promise<Calls[keyof Calls]['answer']> {
  try {
    switch (ask.call) {
      case 'send': return await device.send(ask.ask, signal);
      case 'decrypt': return await device.decrypt(ask.ask, signal);
      case 'memberChanged': return await device.memberChanged(ask.ask, signal);
      case 'devices': return await device.devices(ask.ask, signal);
      case 'acceptIdentity': return await device.acceptIdentity(ask.ask, signal);
      case 'prune': return await device.prune(ask.ask, signal);
      case 'stop': return await stop(device);
    }
  } catch (error) {
    tell({ kind: 'log', event: { level: 'error', code: 'engine-error', reason: `${ask.call} ${error instanceof Error ? error.name : 'unknown'}` } });
    return fail('unavailable', 'the encryption engine failed. It is tried again.', { retry: true });
  }
}

/** What is under way may end by itself for a while; then the store is closed. */
async function stop(device: Device): Promise<Calls['stop']['answer']> {
  if (stopped) return ok(undefined);
  stopped = true;
  device.stopSyncing();
  const patience = new Promise((resolve) => setTimeout(resolve, Math.min(5_000, options.deadlineMs)).unref());
  const others = [...underWay].slice(0, -1); // the last is this call itself
  await Promise.race([Promise.allSettled(others), patience]);
  await device.close();
  return ok(undefined);
}

function giveUp(what: string): void {
  tell({ kind: 'log', event: { level: 'error', code: 'engine-stuck', reason: what } });
  setImmediate(() => process.exit(1)); // ends this thread, after the message has left
}

/** Nothing of ours can be written or sent any more: whoever asked us asks the new holder. */
function fenced(): void {
  tell({ kind: 'fenced' });
  setImmediate(() => process.exit(1));
}

function askFault(name: FaultPoint): Promise<Action> {
  return asked(faultsPending, (id) => tell({ kind: 'fault', id, name }));
}

function askIdentity(ask: IdentityAsk): Promise<IdentityAnswer> {
  return asked(identityPending, (id) => tell({ kind: 'identity', id, ask }));
}

function asked<T>(pending: Map<number, (answer: T) => void>, tellIt: (id: number) => void): Promise<T> {
  const id = pending.size === 0 ? 1 : Math.max(...pending.keys()) + 1;
  const { promise, resolve } = Promise.withResolvers<T>();
  pending.set(id, resolve);
  tellIt(id);
  return promise;
}
