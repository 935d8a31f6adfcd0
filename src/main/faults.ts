import { readFileSync } from 'node:fs';
import { noFaults, type Faults } from '../ports/faults.ts';

/**
 * For the kill tests alone: `ACESO_TEST_KILL_AT=step` or `step:n` ends this process with SIGKILL at the n-th passing of a step
 * (test/e2e/kills.test.ts). `ACESO_TEST_KILL_FILE` names a file in which such an order may come, go and change later; passings count from then on. Neither set, nothing happens.
 */
export function faultsFromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): Faults {
  const { ACESO_TEST_KILL_AT: given = '', ACESO_TEST_KILL_FILE: file = '' } = environment;
  if (given === '' && file === '') return noFaults;
  let order = given;
  let passes = 0;
  return {
    at(passed) {
      const now = given || textOf(file);
      if (now !== order) passes = 0;
      order = now;
      const [step, nth = '1'] = order.split(':');
      if (passed !== step) return;
      passes += 1;
      if (passes === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
