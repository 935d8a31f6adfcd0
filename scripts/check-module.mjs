// Types of the module for Synapse (docker/synapse), strictly, against the Synapse of the tests: `npm run setup`, then `node scripts/check-module.mjs`.
// mypy is not among what the tests need: it is installed once, into the cache.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = process.env.ACESO_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'aceso');
const python = join(readFileSync(join(root, 'node_modules', '.aceso-python'), 'utf8').trim(), 'bin', 'python');
const venv = join(cache, 'mypy-1');
const mypy = join(venv, 'bin', 'mypy');

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

if (!existsSync(mypy)) {
  run(python, ['-m', 'venv', venv]);
  run(join(venv, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'mypy==1.*']);
}
run(mypy, ['--python-executable', python, '--cache-dir', join(cache, 'mypy-1-work')], join(root, 'docker', 'synapse'));
