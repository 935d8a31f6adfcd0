// One lane of `npm test`: runs the files that it is given, one after the other, in one process, so that the servers start once.
import Mocha from 'mocha';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { stopAll } from './shared.ts';

const { grep } = JSON.parse(process.argv[2]);
const { timeout } = JSON.parse(readFileSync(new URL('../.mocharc.json', import.meta.url), 'utf8'));

// Whoever runs the lanes has ended: so does this one, and what it started ends with it.
process.once('disconnect', () => process.exit(1));

process.send({ ready: true });
for (;;) {
  const [{ file }] = await once(process, 'message');
  if (file === undefined) break;
  process.send(await run(file));
}
await stopAll();
process.exit(0);

async function run(file) {
  const began = Date.now();
  const mocha = new Mocha({ timeout, reporter: Mocha.reporters.Spec, color: false, ...(grep ? { grep } : {}) });
  mocha.addFile(file);
  await mocha.loadFilesAsync();
  const failed = [];
  const { stats } = await new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner));
    runner.on('fail', (test, error) => failed.push(`${file}: ${test.title}\n  ${firstLine(error)}`));
  });
  // The pipe is emptied before the word that it is: what was printed belongs to this file.
  await new Promise((resolve) => process.stdout.write('', resolve));
  return { file, passes: stats.passes, failures: stats.failures, pending: stats.pending, ms: Date.now() - began, failed };
}

function firstLine(error) {
  return String(error?.message ?? error).split('\n')[0].slice(0, 300);
}
