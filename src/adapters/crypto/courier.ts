/** The courier's encrypting device, as the loop sees it: the port, in front of an engine that runs in a thread of its own. */
import type { UserId } from '../../domain/brand.ts';
import { fail } from '../../domain/outcome.ts';
import type { Courier, CourierStatus } from '../../ports/courier.ts';
import type { CourierOptions, ThreadOptions } from './options.ts';
import { startThread, type EngineThread } from './thread.ts';

export type { CourierLog, CourierOptions, FaultAction, FaultPoint, IdentityKeeper } from './options.ts';

const usualDeadlineMs = 60_000;

/**
 * Opens the store and starts the device; identity and keys are published, and syncing begins, in the background (`status()` says how far
 * it is), so that a homeserver that is down delays nothing else. Rejects, saying what to do, when the store can't be opened: a wrong key,
 * another user's or device's store, or one that a later generation holds.
 */
export async function createCourier(options: CourierOptions): Promise<Courier> {
  const { log, faultPoint, identity, whenServerAway = () => 'hold', ...settings } = options;
  if (options.storeKey.length !== 32) throw new Error("the courier's store key must have 32 bytes");
  const threadOptions: ThreadOptions = { ...settings, deadlineMs: options.deadlineMs ?? usualDeadlineMs, faults: faultPoint ? 'on' : 'off', keeper: identity ? 'given' : 'none' };
  const listeners: Parameters<Courier['onKeys']>[0][] = [];
  let state: CourierStatus['state'] = 'starting';
  /** Nothing makes it ready again. */
  const isOver = (): boolean => state === 'stopped' || state === 'lost' || state === 'removed';
  let lastSyncAt: number | undefined;
  let problem: string | undefined;

  const thread: EngineThread = await startThread(threadOptions, {
    faultPoint,
    identity,
    heard: (message) => {
      switch (message.kind) {
        case 'opened':
          return;
        case 'synced':
          lastSyncAt = message.at;
          if (isOver()) return;
          state = 'ready';
          problem = undefined;
          return;
        case 'problem':
          if (!isOver()) problem = message.message;
          return;
        case 'removed':
          if (isOver()) return;
          state = 'removed';
          problem = `the homeserver has removed the courier's device ${options.deviceId}: another one takes its place.`;
          log({ level: 'error', code: 'device-removed', userId: options.userId, reason: options.deviceId });
          return;
        case 'fenced':
          state = 'lost';
          problem = 'another process has taken the device over.';
          log({ level: 'error', code: 'fenced', userId: options.userId, reason: `generation ${options.generation}` });
          return;
        case 'keys':
          for (const listener of listeners) listener(message.change);
          return;
        case 'log':
          log(message.event);
      }
    },
    ended: (why) => {
      if (!isOver()) state = 'recovering';
      log({ level: 'error', code: 'engine-restarted', userId: options.userId, reason: why });
    },
  });

  return {
    userId: options.userId,
    deviceId: options.deviceId,
    async send({ content, file, ...message }) {
      const answer = await thread.call('send', { ...message, whenServerAway: whenServerAway(), content: content.reveal(), ...(file === undefined ? {} : { file: file.reveal() }) });
      return answer === 'lost' ? fail('engine', 'the encryption engine was restarted. It is tried again.', { retry: true }) : answer;
    },
    async decrypt(roomId, event) {
      const answer = await thread.call('decrypt', { roomId, event });
      return answer === 'lost' ? fail('unavailable', 'the encryption engine was restarted. It is tried again.', { retry: true }) : answer;
    },
    async memberChanged(roomId, userId, membership) {
      await untilTaken(() => thread.call('memberChanged', { roomId, userId, membership }), isOver);
    },
    onKeys: (listener) => {
      listeners.push(listener);
    },
    async devices(userId: UserId) {
      const answer = await thread.call('devices', { userId, whenServerAway: whenServerAway() });
      return answer === 'lost' ? fail('unavailable', 'the encryption engine was restarted. Try again.', { retry: true }) : answer;
    },
    async acceptIdentity(userId) {
      const answer = await thread.call('acceptIdentity', { userId });
      return answer === 'lost' ? fail('unavailable', 'the encryption engine was restarted. It is tried again.', { retry: true }) : answer;
    },
    status: () => ({ state, restarts: thread.restarts, ...(lastSyncAt === undefined ? {} : { lastSyncAt }), ...(problem === undefined ? {} : { problem }) }),
    async prune(before) {
      const answer = await thread.call('prune', { before });
      return answer !== 'lost' && answer.ok ? answer.value : 0;
    },
    async stop() {
      state = 'stopped';
      await thread.stop();
    },
  };
}

/** A change of membership has no failure that its caller could act on: it is told again until the store has it. */
async function untilTaken(tell: () => Promise<'lost' | { readonly ok: boolean }>, given: () => boolean): Promise<void> {
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    const answer = await tell();
    if ((answer !== 'lost' && answer.ok) || given()) return;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
