/** Who is killed: each is a program that something outside (systemd, an orchestrator) starts again when it ends. */
import type { Aceso } from '../support/aceso.ts';
import type { Hospital } from '../support/lab.ts';
import type { Postgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';
import type { Stage } from './stage.ts';

export type Victim = {
  readonly name: string;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  isRunning(): boolean;
  /** Whether its last start was over: a program may end by itself while it starts and what it needs is away, but not later. */
  hadStarted(): boolean;
  /** Starts it, and doesn't wait until it is ready. */
  start(): Promise<void>;
};

export function victimsOf({ workers, hospitals, postgres }: Stage): readonly Victim[] {
  const each = 6 / workers.length;
  return [
    ...workers.map((worker, index) => workerVictim(worker, workers.length === 1 ? 'Aceso' : `Aceso worker ${index}`, each)),
    hospitalVictim(hospitals.mercy, 3),
    hospitalVictim(hospitals.stAnne, 2),
    ...(postgres ? [postgresVictim(postgres, 2)] : []),
  ];
}

function workerVictim(worker: Aceso, name: string, weight: number): Victim {
  let logBefore = 0;
  return {
    name, weight,
    kill: () => worker.kill(),
    isRunning: () => worker.ended() === undefined,
    hadStarted: () => worker.log().slice(logBefore).includes('"event":"aceso.started"'),
    async start() {
      logBefore = worker.log().length;
      await worker.launch();
    },
  };
}

const hospitalVictim = (hospital: Hospital, weight: number): Victim => ({
  name: hospital.name, weight,
  kill: () => hospital.kill(),
  isRunning: () => hospital.state === 'running',
  hadStarted: () => true,
  start: () => asSoonAsItRuns(hospital),
});

function postgresVictim(postgres: Postgres, weight: number): Victim {
  let isUp = true;
  return {
    name: 'PostgreSQL', weight,
    async kill() {
      isUp = false;
      await postgres.kill();
    },
    isRunning: () => isUp,
    hadStarted: () => true,
    async start() {
      await postgres.start();
      isUp = true;
    },
  };
}

/** Resolves once it runs. One that is killed while it starts never gets ready: that is no failure here. */
async function asSoonAsItRuns(hospital: Hospital): Promise<void> {
  const ready = hospital.start().catch(() => undefined);
  await Promise.race([ready, until(`${hospital.name} to run`, () => hospital.state === 'running', 10_000, 10)]);
}
