/** The laboratory stays up, so that a person can open a client of their own. */
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { encodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js';
import { push } from './delivered.ts';
import { reportAt } from './report.ts';
import { duration, type Screen } from './screen.ts';
import type { Stage } from './stage.ts';

/** A machine that only looks like a terminal answers nothing. */
const PATIENCE_S = 20;

/** Whether to stay: asked on a terminal; no answer is no. `signal` takes the question back. */
export async function wantsToStay(signal: AbortSignal): Promise<boolean> {
  const answer = await ask(`\nStay up, so that you can open a client of your own? [y/N, ends by itself in ${PATIENCE_S} s] `, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_S * 1000)]));
  return /^y/iu.test(answer.trim());
}

/** Says how to get in, and stays until `signal`; on a terminal, Enter sends another result. */
export async function stayUp(stage: Stage, screen: Screen, signal: AbortSignal): Promise<void> {
  const { hospitals, aceso, ada, adaPassword, token } = stage;
  const { recoveryKey = '' } = ada;
  screen.step('Yours to try, until Ctrl-C');
  screen.rows([
    ['homeserver', `${hospitals.stAnne.baseUrl}   (plain http: everything here is on 127.0.0.1; hospitals use https)`],
    ['user name', 'ada'],
    ['password', adaPassword],
    ['recovery key', encodeRecoveryKey(Buffer.from(recoveryKey, 'hex')) ?? '?'],
  ]);
  screen.say('Element Desktop: Sign in, Edit the homeserver, give it the URL above. Element Web (app.element.io) works too where the browser lets a page reach 127.0.0.1 (Chrome asks). Any other client on this machine that speaks plain http will do: nheko does; phones can\'t reach 127.0.0.1.');
  screen.say('Then verify with the recovery key: Aceso gives keys only to devices that their owner has signed, and the messages that are there already come from the key backup.');
  screen.rows([
    ['Aceso', `${aceso.operationsUrl}/readyz, ${aceso.operationsUrl}/metrics, ${aceso.fhirUrl}/metadata`],
    ['Mercy', hospitals.mercy.baseUrl],
    ['files', `${aceso.folder} and ${hospitals.folder} (gone when this ends, unless --keep)`],
  ]);
  screen.command(`curl -i ${aceso.fhirUrl}/DiagnosticReport -H "Authorization: Bearer ${token}" -H "Content-Type: application/fhir+json" -d @${join(aceso.folder, 'potassium.json')}`);
  screen.say('(the same report again: 200, no new message; change its identifier and value for a new one)');
  if (process.stdin.isTTY && process.stdout.isTTY) await sendMore(stage, screen, signal);
  else await new Promise<void>((resolve) => {
    const beat = setInterval(() => undefined, 60_000); // a promise alone doesn't keep the process
    signal.addEventListener('abort', () => {
      clearInterval(beat);
      resolve();
    });
  });
}

async function sendMore(stage: Stage, screen: Screen, signal: AbortSignal): Promise<void> {
  for (let count = 1; ; count += 1) {
    await ask('\nEnter: the laboratory sends another result. Ctrl-C: the end. ', signal);
    if (signal.aborted) return;
    const value = Number((6.1 + (count % 20) / 10).toFixed(1));
    const { status, ms } = await push(stage, reportAt(Date.now(), { accession: `L-2026-${4000 + count}`, value }));
    screen.say(`Potassium ${value} mmol/L: ${status} after ${duration(ms)}.`);
  }
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // While it reads, the terminal hands it Ctrl-C instead of sending a signal.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new Promise<string>((resolve) => terminal.once('close', () => {
    resolve('');
  }));
  try {
    return await Promise.race([terminal.question(question, { signal }), closed]);
  } catch {
    process.stdout.write('\n'); // taken back
    return '';
  } finally {
    terminal.close();
  }
}
