/**
 * Named instants at which a test may end the process (`test/e2e/kills.test.ts` lists them). In production it does nothing.
 * The name is that of the step just finished or about to begin; the table is in docs/operations.md.
 */
/** The courier's own steps are named by its adapter. */
export type Fault =
  | 'http.received' | 'receive.committed' | 'decide.claimed' | 'decide.committed' | 'effect.claimed' | 'effect.done' | 'effect.settled'
  | 'member.removed' | 'room.created' | 'room.entered' | 'room.protected' | 'room.invited' | 'room.closing' | 'event.confirmed' | 'matrix.received' | 'matrix.committed' | 'config.brought' | 'file.kept';

export type Faults = { at(step: Fault | `courier.${string}`): void };

export const noFaults: Faults = { at: () => undefined };
