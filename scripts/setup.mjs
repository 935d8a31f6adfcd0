#!/usr/bin/env node
// Makes a fresh clone able to run: npm packages (from the lock file), and for the tests and the demo a Python environment with Synapse
// and matrix-nio. Plain JavaScript without dependencies, so that any Node from 20 on can start it. Does nothing when nothing is needed.
//   --only npm   the npm packages alone     --quiet   say only what goes wrong
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const quiet = process.argv.includes('--quiet');
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : 'all';
export const cacheDir = process.env.ACESO_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'aceso');
const say = (text) => quiet || process.stderr.write(`setup: ${text}\n`);
const digest = (...files) => createHash('sha256').update(files.map((f) => readFileSync(join(root, f))).join('\0')).digest('hex').slice(0, 16);

function run(command, args, options = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', ...options });
  if (result.status !== 0) {
    process.stderr.write(`setup: ${command} ${args.join(' ')} failed\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
    process.exit(1);
  }
  return Math.round((Date.now() - started) / 1000);
}

function npmPackages() {
  const stamp = join(root, 'node_modules', '.aceso-setup');
  const want = digest('package.json', 'package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('installing npm packages (about 400 MB, once) …');
  const seconds = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!existsSync(join(root, 'node_modules', 'node', 'bin', 'node'))) run(process.execPath, [join(root, 'node_modules', 'node', 'preinstall.js')], { cwd: join(root, 'node_modules', 'node') });
  writeFileSync(stamp, want);
  say(`npm packages ready (${seconds} s)`);
}

function python() {
  for (const name of [process.env.PYTHON, 'python3', 'python3.13', 'python3.12', 'python3.11'].filter(Boolean)) {
    const probe = spawnSync(name, ['-c', 'import sys,venv,ensurepip; print(sys.version_info >= (3, 11))'], { encoding: 'utf8' });
    if (probe.status === 0 && probe.stdout.trim() === 'True') return name;
  }
  process.stderr.write('setup: no Python ≥ 3.11 with venv found. Install it, or set PYTHON to it.\n');
  process.exit(1);
}

function pythonPackages() {
  const venv = join(cacheDir, `python-${digest('test/support/requirements.txt')}`);
  if (!existsSync(join(venv, '.ready'))) {
    say('installing Synapse and matrix-nio for the tests and the demo (about 300 MB, once) …');
    mkdirSync(cacheDir, { recursive: true });
    rmSync(venv, { recursive: true, force: true });
    run(python(), ['-m', 'venv', venv]);
    const seconds = run(join(venv, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', join(root, 'test/support/requirements.txt')]);
    writeFileSync(join(venv, '.ready'), new Date().toISOString());
    say(`Python packages ready (${seconds} s)`);
  }
  const link = join(root, 'node_modules', '.aceso-python');
  writeFileSync(`${link}.tmp`, venv);
  renameSync(`${link}.tmp`, link);
}

npmPackages();
if (only === 'all') pythonPackages();
