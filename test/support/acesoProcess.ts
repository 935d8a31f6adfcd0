/** `aceso start` in a hospital's folder, with ports of its own and no homeserver: for what happens before one is needed. */
import { existsSync, readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ROOT } from './aceso.ts';
import type { HospitalFolder } from './hospitalFolder.ts';
import { freePort } from './ports.ts';
import { startProcess, type OwnedProcess } from './processes.ts';
import { join } from 'node:path';

export type Readyz = { readonly status: number; readonly ready: boolean; readonly store: string; readonly problems: readonly { readonly part: string; readonly code: string; readonly message: string }[] };

export type AcesoProcess = {
  readonly httpUrl: string;
  readonly appserviceUrl: string;
  readonly operationsUrl: string;
  start(): Promise<OwnedProcess>;
  /** Undefined while nobody answers. */
  readyz(): Promise<Readyz | undefined>;
  log(): string;
};

export async function acesoProcess({ edit, at, folder }: HospitalFolder, name = 'aceso'): Promise<AcesoProcess> {
  const [http, appservice, operations] = [await freePort(), await freePort(), await freePort()];
  edit((text) => {
    const document = parseDocument(text);
    for (const [section, port] of Object.entries({ http, appservice, operations })) document.setIn([section, 'port'], port);
    document.setIn(['homeserver', 'url'], 'http://127.0.0.1:9');
    return document.toString();
  });
  const logFile = join(folder, `${name}.log`);
  const operationsUrl = `http://127.0.0.1:${operations}`;
  return {
    httpUrl: `http://127.0.0.1:${http}`, appserviceUrl: `http://127.0.0.1:${appservice}`, operationsUrl,
    start: () => startProcess(process.execPath, [join(ROOT, 'src', 'main.ts'), '--config', at('aceso.yaml'), 'start'], { cwd: folder, logFile }),
    async readyz() {
      const answer = await fetch(`${operationsUrl}/readyz`).catch(() => undefined);
      return answer && { ...((await answer.json()) as Omit<Readyz, 'status'>), status: answer.status };
    },
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
  };
}
