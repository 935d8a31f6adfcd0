import type { LoadedConfig } from '../../config/load.ts';
import { table, type Printed } from '../print.ts';
import { readiness } from '../status.ts';
import { lookAtDatabase } from './database.ts';
import { broken, fine, warn, type Finding } from './finding.ts';
import { lookAtHomeserver } from './homeserver.ts';
import { lookAtMachine } from './machine.ts';

export type Diagnosis = Printed & { readonly failed: boolean };

/** Everything that a support engineer would ask first, in one command. Nothing is changed; whatever fails, the rest is looked at too. */
export async function diagnose(config: LoadedConfig): Promise<Diagnosis> {
  const server = await readiness(config);
  const running: readonly Finding[] = server === undefined ? [warn('server', 'doesn\'t run here', '`aceso start`')]
    : [server.ready ? fine('server', 'ready') : broken('server', 'not ready', 'See the problems below it, or /readyz.'), ...server.problems.map(({ part, code, message }) => warn(part, code, message))];
  const findings = [...running, ...await lookAtMachine(config), ...await lookAtDatabase(config), ...await lookAtHomeserver(config, server !== undefined)];
  const count = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length;
  return {
    failed: count('fail') > 0,
    json: { ok: count('fail') === 0, failed: count('fail'), warned: count('warn'), findings },
    text: [table(['', 'WHAT', 'IS', 'WHAT TO DO'], findings.map(({ level, what, is, todo = '' }) => [level === 'fail' ? 'FAIL' : level, what, is, todo]), 'Nothing was looked at.'), '', `${count('ok')} fine, ${count('warn')} to look at, ${count('fail')} failed.`].join('\n'),
  };
}
