// `npm run check`: types, lint, boundaries, unit tests, side by side. `--static` leaves the unit tests to the full run.
import { spawn } from 'node:child_process';

const steps = [['types', 'tsc', ['--noEmit']], ['lint', 'eslint', ['.', '--cache', '--cache-location', '.cache/eslint', '--max-warnings', '0']], ['boundaries', 'depcruise', ['--config', '.dependency-cruiser.cjs', 'src', 'bridges']]];
if (!process.argv.includes('--static')) steps.push(['unit', 'mocha', ['--config', 'test/.mocharc.json', '--reporter', 'dot', 'test/unit/**/*.test.ts']]);
const started = Date.now();
const results = await Promise.all(steps.map(([name, command, args]) => new Promise((resolve) => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  child.on('error', (error) => resolve({ name, code: 1, output: String(error) }));
  child.on('exit', (code) => resolve({ name, code, output }));
})));
for (const { name, code, output } of results) process.stdout.write(code === 0 && name !== 'unit' ? `check: ${name} ok\n` : `check: ${name} ${code === 0 ? 'ok' : 'FAILED'}\n${output}\n`);
process.stdout.write(`check: ${Math.round((Date.now() - started) / 1000)} s\n`);
process.exit(results.some(({ code }) => code !== 0) ? 1 : 0);
