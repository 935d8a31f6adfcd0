/** Tells the other workers that something may be there to do. Only a hint: whoever doesn't hear it looks a moment later by themselves. */
export type WakeUps = {
  announce(): void;
  stop(): Promise<void>;
};

/** For a worker that is alone. */
export const noWakeUps: WakeUps = { announce: () => undefined, stop: async () => undefined };
