/** `npm run chaos`: what a hospital's night can bring, in minutes. See README.md here; `--help` for what it takes. */
import { readOptions } from './options.ts';
import { play } from './play.ts';
import type { Outcome } from './run.ts';

const options = readOptions(process.argv.slice(2));
const interrupted = new AbortController();
const started = performance.now();
const say = (line: string): void => void process.stderr.write(`chaos: ${line}\n`);
// npm and the terminal may each send it: the second one changes nothing.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {
  if (!interrupted.signal.aborted) say('interrupted: ending what was started');
  interrupted.abort();
});

process.exit(await main());

async function main(): Promise<number> {
  say(`seed ${options.seed}, ${options.store}, ${options.workers} ${options.workers === 1 ? 'process' : 'workers'} of Aceso, ${options.perSecond} results/s`);
  const ended = new Promise<undefined>((resolve) => interrupted.signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  try {
    const outcome = await Promise.race([play(options, interrupted.signal, say), ended]);
    if (!outcome) return 130;
    print(outcome);
    return outcome.failed.length === 0 ? 0 : 1;
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error);
    say(failed);
    process.stdout.write(`${JSON.stringify({ seed: options.seed, store: options.store, failed: [failed] })}\n`);
    return 1;
  }
}

function print({ figures, verdict, failed, evidence }: Outcome): void {
  for (const failure of failed) say(`NOT AS IT MUST BE: ${failure}`);
  const { accepted, delivered, lost, duplicated, undecryptable, indexReuse } = verdict;
  const { seconds, ...others } = figures;
  process.stdout.write(`${JSON.stringify({
    kills: 0, accepted, delivered, lost, duplicated, undecryptable, indexReuse, seed: options.seed, store: options.store, seconds, ...others,
    workers: options.workers, secondsInAll: Math.round((performance.now() - started) / 1000), ...(failed.length === 0 ? {} : { failed, evidence }),
  })}\n`);
}
