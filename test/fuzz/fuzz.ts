/** `npm run fuzz`: mutated input at every door, a few thousand a minute; the last line is JSON, and the exit code 1 when anything failed. */
import { parseArgs } from 'node:util';
import { newAceso, type Aceso } from '../support/aceso.ts';
import { potassiumReport } from '../support/fhir.ts';
import { startHospitals, type Hospitals } from '../support/lab.ts';
import { roomOf, tell } from '../support/results.ts';
import { until } from '../support/until.ts';
import { fuzzAppservice } from './appservice.ts';
import { fuzzFhir, type Options } from './fhir.ts';
import { fuzzRows } from './rows.ts';
import { fuzzSync } from './sync.ts';
import type { Report } from './verdict.ts';

const TARGETS = ['fhir', 'appservice', 'sync', 'rows'] as const;
export type Target = (typeof TARGETS)[number];

/** Runs the targets at a hospital that has a slot to spare; doors are those of an Aceso of its own. */
export async function fuzz(hospitals: Hospitals, targets: readonly Target[], options: Options): Promise<readonly Report[]> {
  const reports: Report[] = [];
  if (targets.includes('rows')) reports.push(await fuzzRows(options));
  if (targets.includes('sync')) reports.push(await fuzzSync(hospitals.mercy, hospitals.takeSlot(), options));
  if (targets.includes('fhir') || targets.includes('appservice')) reports.push(...await fuzzDoors(hospitals, targets, options));
  return reports;
}

async function fuzzDoors(hospitals: Hospitals, targets: readonly Target[], options: Options): Promise<readonly Report[]> {
  const { mercy } = hospitals;
  const slot = hospitals.takeSlot();
  const user = await mercy.register(`fuzzed_by_${slot.id}`, 'pw');
  const aceso = await newAceso({ mercy, slot, partners: [], people: [{ id: 'ada', name: 'Dr. Ada', user_id: user, npi: '1234567893' }] });
  try {
    await aceso.start();
    await tell(aceso, 'BEFORE', '1234567893');
    const { roomId = '' } = await until('a results room', async () => { const room = await roomOf(aceso, 'ada'); return room?.roomId === undefined ? undefined : room; });
    const reports: Report[] = [];
    if (targets.includes('fhir')) reports.push(await healthy(aceso, await fuzzFhir(aceso, options)));
    if (targets.includes('appservice')) reports.push(await healthy(aceso, await fuzzAppservice({ slot, serverName: mercy.serverName, roomId, userId: user }, options)));
    return reports;
  } finally {
    await aceso.stop();
    aceso.remove();
  }
}

const BUGS = ['process.unhandled', 'http.failed', 'decide.failed', 'loop.failed', 'effect.threw', 'receive.failed', '"code":"exception"', 'courier.engine-panic', 'courier.engine-restarted'];

/** Adds what the process says of itself: it lives, is ready, takes a result, and logged nothing that only a bug can write. */
async function healthy(aceso: Aceso, report: Report): Promise<Report> {
  const failures = [...report.failures];
  const note = (what: string): void => { failures.push({ input: 'afterwards', what }); };
  const ended = aceso.ended();
  if (ended !== undefined) note(`the process ended with ${ended}`);
  else {
    await until('what was taken to be decided', async () => (await aceso.cli<{ readonly undecided: number }>('status')).undecided === 0, 900_000, 500).catch(() => note('facts stay undecided'));
    if (!(await fetch(`${aceso.operationsUrl}/readyz`)).ok) note('it is not ready');
    const { status } = await aceso.push('/DiagnosticReport', potassiumReport({ accession: `AFTER-${report.target}` }));
    if (status !== 201) note(`a whole result is answered ${status}`);
    const { facts } = await aceso.cli<{ readonly facts: readonly { readonly code: string }[] }>('held', 'list');
    if (facts.length > 0) note(`${facts.length} facts can't be decided: ${[...new Set(facts.map(({ code }) => code))].join(', ')}`);
  }
  const log = aceso.log();
  for (const bug of BUGS) {
    const line = log.split('\n').find((each) => each.includes(bug));
    if (line !== undefined) note(`the log has ${bug}: ${line.slice(0, 300)}`);
  }
  return { ...report, failures };
}

if (process.argv[1] === import.meta.filename) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { inputs: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' }, only: { type: 'string', default: TARGETS.join(',') }, help: { type: 'boolean' } } });
  const targets = values.only.split(',').filter((name): name is Target => (TARGETS as readonly string[]).includes(name));
  const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
  if (values.help || targets.length === 0 || !Number.isInteger(inputs) || inputs < 1 || !Number.isInteger(seed)) {
    process.stdout.write(`npm run fuzz -- [--inputs 10000] [--seed 1] [--only ${TARGETS.join(',')}]\n  Mutated input at every door of real servers. The same seed gives the same inputs; a failure names the seed that repeats it with --inputs 1.\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const say = (line: string): void => void process.stderr.write(`fuzz: ${line}\n`);
  const started = Date.now();
  const hospitals = await startHospitals({ mercy: { slots: 2 } });
  try {
    const reports = await fuzz(hospitals, targets, { inputs, seed, say });
    for (const { target, inputs: count, outcomes, failures } of reports) {
      say(`${target}: ${count} inputs, ${failures.length} failures; ${Object.entries(outcomes).map(([name, times]) => `${name} ${times}`).join(', ')}`);
      for (const { input, what } of failures.slice(0, 20)) say(`  ${target} ${input}: ${what}`);
    }
    const failed = reports.reduce((sum, { failures }) => sum + failures.length, 0);
    process.stdout.write(`${JSON.stringify({ seed, seconds: Math.round((Date.now() - started) / 1000), failures: failed, targets: Object.fromEntries(reports.map(({ target, inputs: count, outcomes, failures }) => [target, { inputs: count, failures: failures.length, outcomes }])) })}\n`);
    process.exitCode = failed === 0 ? 0 : 1;
  } finally {
    await hospitals.stop();
  }
}
