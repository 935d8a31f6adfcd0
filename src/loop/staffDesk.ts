import { fail, ok, type Outcome } from '../domain/outcome.ts';
import { staffId, type Staff } from '../domain/people/staff.ts';
import type { BridgeHost, StaffDesk } from '../ports/bridge.ts';
import type { Store } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';

/** What sources said of staff, as it was decided, for those that read back what they said. */
export function createStaffDesk({ store, log, host }: { readonly store: Pick<Store, 'load' | 'states'>; readonly log: Log; readonly host: BridgeHost }): StaffDesk {
  async function read<T>(ask: () => Promise<T>): Promise<Outcome<T, 'unavailable'>> {
    try {
      return ok(await ask());
    } catch (error) {
      log.error('staff.not-read', { error: errorCode(error) });
      return fail('unavailable', 'the store cannot be asked now', { retry: true, retryAfterMs: 5000 });
    }
  }
  return {
    staff: host.staff,
    observe: host.observe,
    one: (source, subject) => read(async () => (await store.load({ kind: 'staff', id: staffId({ source, subject }) }))?.state as Staff | undefined),
    all: (source) => read(async () => ((await store.states('staff')) as readonly Staff[]).filter((each) => each.source === source)),
  };
}
