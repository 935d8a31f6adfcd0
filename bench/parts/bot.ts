/** Part b: the same pushes to a plain bot of matrix-js-sdk, in turns with Aceso. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { potassiumReport } from '../../test/support/fhir.ts';
import { freePort } from '../../test/support/ports.ts';
import { own } from '../../test/support/processes.ts';
import { until } from '../../test/support/until.ts';
import { inParallel, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import { npiOf, type Stage } from '../stage.ts';
import { usage } from '../usage.ts';
import type { BotOptions } from './botProcess.ts';

const TURNS = 2;

export async function bot(stage: Stage, { results, concurrency }: Options): Promise<Record<string, unknown>> {
  const { hospitals: { mercy }, clients } = stage;
  const port = await freePort();
  await mercy.register('plainbot', 'bench-password');
  const options: BotOptions = { baseUrl: mercy.baseUrl, user: 'plainbot', password: 'bench-password', port, people: Object.fromEntries(clients.map(({ userId }, index) => [npiOf(index), userId])) };
  const before = clients.map(({ joinedRooms }) => joinedRooms.size);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'botProcess.ts'), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const owned = await own(child);
  try {
    await once(child.stdout, 'data');
    await until('the clinicians to join the bot', () => clients.every(({ joinedRooms }, index) => joinedRooms.size > (before[index] ?? 0)));
    const pushToBot = async (index: number, accession: string): Promise<void> => {
      const body = JSON.stringify(potassiumReport({ accession, mrn: accession, npi: npiOf(index % clients.length) }));
      const { status } = await fetch(`http://127.0.0.1:${port}/fhir/DiagnosticReport`, { method: 'POST', body });
      if (status !== 201) throw new Error(`the bot answered ${status}`);
    };
    for (const index of clients.keys()) await pushToBot(index, `V-${index}`);
    await stage.allRead('V-', clients.length);
    const each = Math.ceil(results / TURNS);
    const seconds = { bot: 0, aceso: 0 };
    const cpuBefore = usage(owned.pid).cpuMs;
    for (let turn = 0; turn < TURNS; turn += 1) {
      say(`b: turn ${turn + 1} of ${TURNS}: ${each} pushes to the bot, then to Aceso, ${concurrency} at a time`);
      seconds.bot += await timed(stage, `B${turn}-`, each, concurrency, pushToBot);
      seconds.aceso += await timed(stage, `D${turn}-`, each, concurrency, stage.push);
    }
    const total = each * TURNS;
    return {
      results: total, botPerSecond: round(total / seconds.bot), acesoPerSecond: round(total / seconds.aceso), ratioToBot: round(seconds.bot / seconds.aceso),
      botCpuMsPerResult: round((usage(owned.pid).cpuMs - cpuBefore) / total, 1), botRssMb: round(usage(owned.pid).rssMb, 0),
    };
  } finally {
    await owned.stop({ graceMs: 1000 });
  }
}

async function timed(stage: Stage, prefix: string, count: number, concurrency: number, push: (index: number, accession: string) => Promise<void>): Promise<number> {
  const started = performance.now();
  await inParallel(count, concurrency, (index) => push(index, `${prefix}${index}`));
  await stage.allRead(prefix, count);
  return (performance.now() - started) / 1000;
}
