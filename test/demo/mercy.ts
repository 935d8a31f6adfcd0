/** What hospital IT does at Mercy to run Aceso: the command line, and two files edited by hand. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import type { DeliveryView } from '../support/aceso.ts';
import { startProcess, untilReady, type OwnedProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';
import type { Resources } from './resources.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const CONFIG = 'aceso.yaml';

export type AcesoAtMercy = {
  readonly folder: string;
  readonly registrationFile: string;
  readonly logFile: string;
  readonly fhirUrl: string;
  readonly baseUrl: string;
  readonly operationsUrl: string;
  /** Runs `aceso …` in the folder and gives what it prints. */
  run(...args: readonly string[]): Promise<string>;
  /** Sets keys of aceso.yaml, as a person would with an editor; what else is there stays. Gives the lines. */
  edit(added: Readonly<Record<string, unknown>>): string;
  /** `aceso start`; resolves when `/readyz` says so. It is stopped with the other resources. */
  start(): Promise<void>;
  deliveries(): Promise<readonly DeliveryView[]>;
  delivery(what: string, wanted: (delivery: DeliveryView) => boolean): Promise<DeliveryView>;
};

export function acesoAtMercy(folder: string, ports: { readonly http: number; readonly operations: number }, resources: Resources): AcesoAtMercy {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const configFile = join(folder, CONFIG);
  const logFile = join(folder, 'aceso.log');
  const baseUrl = `http://127.0.0.1:${ports.http}`;
  const operationsUrl = `http://127.0.0.1:${ports.operations}`;
  const once = (args: readonly string[]): Promise<string> => new Promise((resolve, reject) => {
    const env = { ...process.env, ACESO_CONFIG: configFile, ACESO_OPERATOR: 'it' };
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`aceso ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
      else resolve(stdout.trimEnd());
    });
  });
  const run = (...args: readonly string[]): Promise<string> => resources.take(() => once(args), () => undefined);
  const deliveries = async (): Promise<readonly DeliveryView[]> => JSON.parse(await run('deliveries', 'list', '--json')) as readonly DeliveryView[];
  const server = async (): Promise<OwnedProcess> => {
    const started = await startProcess(process.execPath, [MAIN, '--config', configFile, 'start'], { cwd: folder, logFile });
    try {
      await untilReady('Aceso', started, logFile, async () => (await fetch(`${operationsUrl}/readyz`)).ok);
    } catch (error) {
      await started.kill();
      throw error;
    }
    return started;
  };
  return {
    folder, logFile, baseUrl, operationsUrl, run, deliveries,
    fhirUrl: `${baseUrl}/fhir`,
    registrationFile: join(folder, 'registration.yaml'),
    edit(added) {
      const document = parseDocument(readFileSync(configFile, 'utf8'));
      for (const [key, value] of Object.entries(added)) document.set(key, document.createNode(value));
      writeFileSync(configFile, document.toString({ lineWidth: 0 }));
      return stringify(added, { lineWidth: 0 }).trimEnd();
    },
    async start() {
      await resources.take(server, (process) => process.stop({ graceMs: 12_000 }));
    },
    async delivery(what, wanted) {
      let last: readonly DeliveryView[] = [];
      return until(`a delivery that is ${what}`, async () => {
        last = await deliveries();
        return last.find(wanted);
      }, 30_000, 100).catch((cause: unknown) => {
        throw new Error(`no delivery was ${what} within 30 s. There are: ${JSON.stringify(last.map(({ id, phase, held }) => ({ id, phase, held })))}`, { cause });
      });
    },
  };
}
