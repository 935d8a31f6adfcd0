/** `npm run federation`: what a homeserver that cheats can do to rooms of two honest hospitals. See README.md here; `--help` for what it takes. */
import { readOptions } from './options.ts';
import type { Outcome } from './outcome.ts';
import { run } from './run.ts';
import { isAsItMustBe } from './verdict.ts';

const options = readOptions(process.argv.slice(2));
const interrupted = new AbortController();
const started = performance.now();
const say = (line: string): void => {
  if (options.progress === 'shown') process.stderr.write(`federation: ${line}\n`);
};
// npm and the terminal may each send it: the second one changes nothing.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {
  if (!interrupted.signal.aborted) say('interrupted: ending what was started');
  interrupted.abort();
});

process.exit(await main());

async function main(): Promise<number> {
  say(`seed ${options.seed}, ${options.events} events, ${options.lanes} at one time`);
  const ended = new Promise<undefined>((resolve) => interrupted.signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  try {
    const outcome = await Promise.race([run(options, interrupted.signal, say), ended]);
    if (!outcome) return 130;
    return print(outcome) ? 0 : 1;
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error);
    say(failed);
    process.stdout.write(`${JSON.stringify({ events: options.events, seed: options.seed, complete: false, incomplete: failed, played: 0 })}\n`);
    return 1;
  }
}

/** Whether all is as it must be. */
function print(outcome: Outcome): boolean {
  const { verdict: { findings, forbidden, allowed, allowedLost, ...verdict }, signed, troubles, names, incomplete, ...figures } = outcome;
  const nameOf = (server: string): string => names[server] ?? server;
  for (const { what, kind, way, server, how, eventId, number } of findings.slice(0, 50)) say(`NOT AS IT MUST BE: ${what}: ${kind} (${way}), event ${number} ${eventId ?? ''}, at ${nameOf(server)}: ${how}`);
  for (const { kind, eventId } of signed.slice(0, 20)) say(`NOT AS IT MUST BE: the policy server signed ${kind} ${eventId}`);
  for (const [what, { times, first }] of troubles) say(`${times} times: ${what}; first ${first}`);
  if (incomplete !== undefined) say(`ended early: ${incomplete}`);
  process.stdout.write(`${JSON.stringify({
    events: options.events, seed: options.seed, complete: incomplete === undefined, ...(incomplete === undefined ? {} : { incomplete }), passed: isAsItMustBe(outcome), ...verdict, forbiddenSigned: signed.length, ...figures,
    allowedLost: allowedLost.map((loss) => ({ ...loss, server: nameOf(loss.server) })), troubles: Object.fromEntries([...troubles].map(([what, { times }]) => [what, times])),
    kinds: new Set(Object.keys(forbidden).map((name) => name.replace(/ \(.*/u, ''))).size, forbidden, allowed, secondsInAll: Math.round((performance.now() - started) / 1000),
  })}\n`);
  return isAsItMustBe(outcome);
}
