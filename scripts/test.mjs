// `npm test`: every test, in lanes side by side, since most of what a test of real servers does is wait for them. Each lane is one process
// with servers of its own that start once, and takes the next file when it has done one: the longest first, but for the last lane, which does the
// static check and begins with the shortest. With `CI` set, a file in which something failed has a second try once the lanes are done: whole, on servers of its
// own, with nothing beside it; what failed at first is said. `npm test -- --grep "kill"` takes the tests whose name has it.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { grep: { type: 'string', short: 'g' }, lanes: { type: 'string' } } });
const lanes = Number(values.lanes ?? Math.min(2, availableParallelism()) + 1);
/** They take longer than 40 s: one of them begun late would leave the other lanes with nothing to do. */
const LONG = ['talkRooms', 'kills', 'chaos', 'faultsStore', 'policyServer', 'cli', 'courierKills', 'clients', 'federation', 'attachments', 'agreements', 'failover', 'invitations', 'synapseModule', 'rooms', 'workers', 'canary', 'reload', 'courierRecovery'];
const [heavy, light] = [['e2e', 'integration'], ['contract', 'unit']].map((folders) => folders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`).sort()));
const first = LONG.flatMap((name) => heavy.filter((file) => file.endsWith(`/${name}.test.ts`)));
let files = positionals.length > 0 ? positionals : [...first, ...heavy.filter((file) => !first.includes(file)), ...light];
const total = { files: files.length, done: 0, passes: 0, failures: 0, pending: 0 };
const retried = [], failed = [], durations = [];
/** Whatever is wrong with more of them isn't the machine's mood. */
const MOST_AGAIN = 6;
const again = new Set();
const started = Date.now();
// Aceso, its commands and the clients are started hundreds of times: what Node made of their code once, it reads.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '..', '.cache', 'node');

await Promise.all(Array.from({ length: lanes }, async (_, index) => {
  if (index < lanes - 1) return lane(index, () => files.shift());
  await check();
  await lane(index, () => files.pop());
}));
if (again.size > 0) {
  files = [...again];
  print(`\nOnce more, alone: ${files.join(', ')}`);
  await lane(0, () => files.shift());
}

if (durations.length > 1) print('\nThe longest files:', ...durations.sort((a, b) => b.ms - a.ms).slice(0, 12).map(({ file, ms }) => `  ${seconds(ms)}  ${file}`));
if (retried.length > 0) print('\nHad a second try:', ...retried.map(indented));
if (failed.length > 0) print('\nFailed:', ...failed.map(indented));
print(`\ntest: ${seconds(Date.now() - started)} in ${lanes} lane${lanes === 1 ? '' : 's'}`);
print(`${total.passes} passed, ${total.failures} failed${total.pending ? `, ${total.pending} skipped` : ''}`);
process.exit(total.failures > 0 || total.passes === 0 ? 1 : 0);

/** Types, lint and boundaries, behind the tests, whose servers wait for nobody. */
async function check() {
  const child = spawn(process.execPath, ['scripts/check.mjs', '--static'], { stdio: ['ignore', 'pipe', 'pipe'] });
  setPriority(child.pid, 10);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  print(`\n${output.trim()}`);
  if (code === 0) return;
  total.failures += 1;
  failed.push('types, lint or boundaries: `npm run check` shows which');
}

/** One process, fed with files until there are none; one that dies fails the file it had, and another goes on. */
async function lane(index, take) {
  while (files.length > 0) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'test/support/lane.mjs', JSON.stringify({ grep: values.grep })], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: { ...process.env, ACESO_TEST_LANE: `${index}` } });
    let output = '';
    let file;
    let isReady = false;
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const next = () => {
      file = take();
      child.send({ file }); // none left: the lane stops its servers and ends
    };
    child.on('message', (message) => {
      if (message.ready) {
        isReady = true;
        return next();
      }
      const { passes, failures, pending, ms } = message;
      durations.push({ file, ms });
      if (failures === 0 || !secondTry(file, message.failed)) {
        total.done += 1;
        total.passes += passes;
        total.failures += failures;
        total.pending += pending;
        failed.push(...message.failed);
      }
      // What the file printed came through the pipe, maybe after this message: it is printed with the next turn of the loop.
      setImmediate(() => {
        if (passes + failures + pending > 0) print(`\n[${total.done}/${total.files}, ${seconds(Date.now() - started)}] ${message.file}\n${output.trim()}`);
        output = '';
        next();
      });
    });
    const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)));
    if (file === undefined && code === 0) return;
    const what = `${file ?? 'the end of a lane'}: the process ended with ${signal ?? code}`;
    print(`\n${what}\n${output.trim()}`);
    if (file === undefined || !secondTry(file, [what])) {
      total.failures += 1;
      failed.push(what);
    }
    if (!isReady) return; // it can't even begin: neither can the next one
  }
}

/** Whether the file has another try, in whose place its first then isn't counted. */
function secondTry(file, reasons) {
  if (!process.env.CI || again.has(file) || again.size === MOST_AGAIN) return false;
  again.add(file);
  retried.push(...reasons);
  return true;
}

function print(...lines) {
  process.stdout.write(`${lines.join('\n')}\n`);
}

function indented(text) {
  return text.replace(/^/gmu, '  ');
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(0).padStart(4)} s`;
}
