import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/folders.ts';
import { python } from '../support/python.ts';

const SYNAPSE = join(import.meta.dirname, '../../docker/synapse');
const run = (args: readonly string[]): Promise<string> => promisify(execFile)(python(), [...args], { cwd: SYNAPSE, env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } })
  .then(({ stdout }) => stdout, (error: unknown) => { const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }; throw new Error(`${stdout}\n${stderr}`); });

describe('The module for Synapse', function () {
  this.timeout(120_000);

  it('passes its own tests, in the homeserver\'s own Python', async () => {
    const output = await run(['-m', 'twisted.trial', `--temp-directory=${join(temporaryFolder('trial'), 'work')}`, 'tests']);
    expect(output).to.match(/PASSED \(successes=[1-9]\d*\)/u);
  });
});
