/**
 * Turns of the event loop. IndexedDB speaks of tasks (each event is one) and of "when control returns to the event loop", which is
 * after the microtasks of the present task: promises resolved in a listener may still place requests.
 */
export function queueTask(task: () => void): void {
  setImmediate(task);
}

/** Runs `next` when the microtasks that are queued now, and those they queue, are through; before timers and I/O. */
export function afterMicrotasks(next: () => void): void {
  queueMicrotask(() => process.nextTick(next));
}

/** A promise for the next task. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
