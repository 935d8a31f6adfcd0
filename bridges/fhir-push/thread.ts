/**
 * Large bodies in threads of their own: parsing and validating megabytes takes seconds, in which the door would answer nobody else. The thread does
 * all but store: what it asks of the host goes back to the main thread.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { BridgeHost, FhirValidator } from '../../src/ports/bridge.ts';
import { answer } from './answer.ts';
import type { Task } from './answer.ts';
import type { FhirPushConfig } from './config.ts';
import type { Done } from './create.ts';
import type { Result } from './outcome.ts';

type Asking = Pick<BridgeHost, 'receive' | 'find' | 'staff'>;
type ToThread = { readonly kind: 'task'; readonly config: FhirPushConfig; readonly task: Task } | { readonly kind: 'told'; readonly outcome: unknown };
type FromThread =
  | { readonly kind: 'receive'; readonly arrivals: Parameters<Asking['receive']>[0] }
  | { readonly kind: 'find'; readonly source: Parameters<Asking['find']>[0]; readonly name: string }
  | { readonly kind: 'staff'; readonly news: Parameters<Asking['staff']>[0] }
  | { readonly kind: 'done'; readonly result: Result<Done> }
  | { readonly kind: 'failed' };

/** In the thread: takes one task after the other. */
export const serveTasks = (port: MessagePort, validator: FhirValidator): void => {
  let tell: ((outcome: unknown) => void) | undefined;
  const ask = <T>(question: FromThread): Promise<T> => new Promise((resolve) => {
    tell = resolve as (outcome: unknown) => void;
    port.postMessage(question);
  });
  const host: BridgeHost = { receive: (arrivals) => ask({ kind: 'receive', arrivals }), find: (source, name) => ask({ kind: 'find', source, name }), staff: (news) => ask({ kind: 'staff', news }), observe: () => undefined };
  port.on('message', (message: ToThread) => {
    if (message.kind === 'told') { tell?.(message.outcome); return; }
    void answer({ config: message.config, host, validator }, message.task).then(
      (result) => port.postMessage({ kind: 'done', result } satisfies FromThread),
      () => port.postMessage({ kind: 'failed' } satisfies FromThread),
    );
  });
};

/** On the main thread: one task in this thread, which has no other. Rejects when the thread ends, or takes longer than `withinMs`; it is of no use then. */
export const runInThread = (thread: Worker, host: Asking, config: FhirPushConfig, task: Task, withinMs: number): Promise<Result<Done>> => new Promise((resolve, reject) => {
  const deadline = setTimeout(() => end(() => reject(new Error('the thread took too long'))), withinMs);
  const end = (settle: () => void): void => {
    clearTimeout(deadline);
    thread.off('message', hear).off('exit', gone).off('error', gone);
    settle();
  };
  const gone = (): void => end(() => reject(new Error('the thread ended')));
  const told = (outcome: Promise<unknown>): void => { void outcome.then((value) => thread.postMessage({ kind: 'told', outcome: value } satisfies ToThread), gone); };
  const hear = (message: FromThread): void => {
    switch (message.kind) {
      case 'receive': told(host.receive(message.arrivals)); return;
      case 'find': told(host.find(message.source, message.name)); return;
      case 'staff': told(host.staff(message.news)); return;
      case 'done': end(() => resolve(message.result)); return;
      case 'failed': end(() => reject(new Error('the task failed in its thread')));
    }
  };
  thread.on('message', hear).on('exit', gone).on('error', gone);
  thread.postMessage({ kind: 'task', config, task } satisfies ToThread);
});
