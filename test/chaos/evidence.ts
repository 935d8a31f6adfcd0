/** What is left for whoever mends it: each finding with its delivery and the log around it, and every file. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { AcceptedResult } from './laboratory.ts';
import { logsOf, type Stage } from './stage.ts';
import type { Finding, Verdict } from './verdict.ts';

/** So many findings are told one by one. */
const TOLD = 12;
const LOG_LINES = 12;

/** Prints what leads to each finding, and copies logs and databases to a folder that stays; gives it. */
export async function keepEvidence(stage: Stage, verdict: Verdict, accepted: readonly AcceptedResult[], timeline: readonly string[], say: (line: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'aceso-chaos-evidence-'));
  const deliveries = await deliveriesOf(stage);
  const logs = stage.workers.map(({ log }) => log()).join('');
  for (const finding of verdict.findings.slice(0, TOLD)) tell(finding, deliveries, accepted, logs, say);
  if (verdict.findings.length > TOLD) say(`… and ${verdict.findings.length - TOLD} more, in findings.json`);
  writeFileSync(join(folder, 'findings.json'), JSON.stringify(verdict, null, 1));
  writeFileSync(join(folder, 'accepted.json'), JSON.stringify(accepted, null, 1));
  writeFileSync(join(folder, 'timeline.txt'), timeline.join('\n'));
  writeFileSync(join(folder, 'deliveries.json'), JSON.stringify(deliveries, null, 1));
  cpSync(stage.folder, join(folder, 'aceso'), { recursive: true });
  for (const file of logsOf(stage).filter((each) => existsSync(each))) cpSync(file, join(folder, file.startsWith(stage.hospitals.stAnne.dataDir) ? `st-anne-${basename(file)}` : basename(file)));
  for (const [name, { dataDir }] of [['mercy', stage.hospitals.mercy], ['st-anne', stage.hospitals.stAnne]] as const) {
    mkdirSync(join(folder, name));
    for (const file of ['homeserver.db', 'homeserver.db-wal'].filter((each) => existsSync(join(dataDir, each)))) cpSync(join(dataDir, file), join(folder, name, file));
  }
  say(`kept: ${folder}`);
  return folder;
}

type Delivery = { readonly id: string; readonly eventId?: string; readonly phase: string };

async function deliveriesOf({ workers }: Stage): Promise<readonly Delivery[]> {
  return (await workers[0]?.cli<readonly Delivery[]>('deliveries', 'list', '--limit', '99999').catch(() => [])) ?? [];
}

function tell({ kind, what, accession, eventIds }: Finding, deliveries: readonly Delivery[], accepted: readonly AcceptedResult[], logs: string, say: (line: string) => void): void {
  const factId = accepted.find((each) => each.accession === accession)?.factId;
  const delivery = deliveries.find(({ id, eventId }) => (factId !== undefined && factId !== '' && id.startsWith(factId)) || (eventId !== undefined && eventIds.includes(eventId)));
  say(`${kind}: ${accession ?? ''} ${what}. Events: ${eventIds.join(', ') || 'none'}. Fact: ${factId ?? 'unknown'}. Delivery: ${delivery ? JSON.stringify(delivery) : 'none found'}`);
  const ids = [factId, delivery?.id, ...eventIds].filter((id) => id !== undefined && id !== '') as readonly string[];
  for (const line of logs.split('\n').filter((each) => ids.some((id) => each.includes(id))).slice(-LOG_LINES)) say(`    ${line}`);
}

/** The end of a log, for when something went wrong before there was a verdict. */
export const logEnds = (stage: Stage): string => logsOf(stage).filter((file) => existsSync(file)).map((file) => `${file}:\n${readFileSync(file, 'utf8').slice(-1500)}`).join('\n');
