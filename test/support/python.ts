/** The Python environment that `npm run setup` made: Synapse, matrix-nio and what they bring. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const link = join(import.meta.dirname, '../../node_modules/.aceso-python');

/** The path of its interpreter. Throws, saying how to make it, when setup hasn't run. */
export function python(): string {
  try {
    return join(readFileSync(link, 'utf8').trim(), 'bin', 'python');
  } catch (cause) {
    throw new Error('the Python environment of the tests is missing. Run `npm run setup` once.', { cause });
  }
}

/** Runs a script of this folder to its end; throws with its error output when it fails. */
export async function runPython(script: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(python(), [join(import.meta.dirname, script), ...args]);
}
