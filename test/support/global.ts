/** Mocha's global fixtures: servers are started when the first test asks for them, shared by all, and stopped here, once. */
import { stopAll } from './shared.ts';

export async function mochaGlobalTeardown(): Promise<void> {
  await stopAll();
}
