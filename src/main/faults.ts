import { noFaults, type Faults } from '../ports/faults.ts';

/**
 * For the kill tests alone: `ACESO_TEST_KILL_AT=step` or `step:n` ends this process with SIGKILL at the n-th passing of a step
 * (test/e2e/kills.test.ts). Not set, nothing happens.
 */
export function faultsFromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): Faults {
  const order = environment['ACESO_TEST_KILL_AT'];
  if (order === undefined || order === '') return noFaults;
  const [step = '', nth = '1'] = order.split(':');
  let passes = 0;
  return {
    at(passed) {
      if (passed !== step) return;
      passes += 1;
      if (passes === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  };
}
