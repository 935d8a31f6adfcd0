/** Named instants at which a test may kill the process or make the engine fail. Costs nothing when no test asked for it. */
import { RoomId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { Engine } from './engine.ts';
import type { FaultPoint } from './options.ts';
import type { ToThread } from './protocol.ts';

export type Action = Extract<ToThread, { kind: 'fault-passed' }>['action'];

export type Faults = {
  /** Resolves when the run may go on. */
  reached(name: FaultPoint): Promise<void>;
};

export const noFaults: Faults = { reached: () => Promise.resolve() };

/** `ask` asks the test what to do at this instant. */
export function createFaults(engine: Engine, ask: (name: FaultPoint) => Promise<Action>): Faults {
  return {
    async reached(name) {
      const action = await ask(name);
      switch (action) {
        case 'go':
          return;
        case 'panic': {
          using room = new RoomId('!never-shared:invalid');
          await engine.machine.encryptRoomEvent(room, 'm.room.message', '{}'); // panics, and never settles
          return;
        }
        case 'hang':
          await new Promise(() => undefined);
          return;
        case 'block':
          for (;;);
      }
    },
  };
}
