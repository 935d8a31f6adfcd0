import { ConfigError, type LoadedConfig } from '../../config/load.ts';
import { changesBetween, printInForce, type Change } from '../../config/sections.ts';
import type { Millis } from '../../domain/brand.ts';
import type { Faults } from '../../ports/faults.ts';
import type { Notes } from '../../ports/notes.ts';
import type { AuditNote, Store } from '../../ports/store.ts';
import { errorCode, type LeveledLog, type Metrics } from '../../ports/telemetry.ts';
import { DirectoryConflict } from '../directory.ts';
import type { Problem } from '../health.ts';
import { proposed, type InForce } from './inForce.ts';
import { ANSWERS, ASKED, sectionsOf, type ReloadAnswer, type ReloadAsked } from './words.ts';

export type ReloadParts = {
  /** As the worker started. */
  readonly started: InForce;
  readonly store: Pick<Store, 'audit'>; readonly notes: Notes; readonly log: LeveledLog; readonly metrics: Metrics; readonly now: () => Millis; readonly faults: Faults; readonly worker: string;
  /** Makes the sources' door for it; what is given opens it. Throws, and changes nothing, when it can't be made. */
  readonly prepareDoor: (config: LoadedConfig) => () => void;
  /** Rejects when its people and teams don't fit the directory that there is. */
  readonly checkDirectory: (config: LoadedConfig) => Promise<void>;
  readonly bringDirectory: (config: LoadedConfig) => Promise<unknown>;
  /** Keeps the rules with their text, and has what was decided by others asked again. */
  readonly bringPolicy: (next: InForce) => Promise<void>;
};

export type Reload = {
  inForce(): InForce;
  /** Takes over what the file says by now, all that can be or nothing; cut short in between by the database, it is finished later. Never rejects. */
  take(by: string): Promise<void>;
  /** Finishes what was cut short, then looks whether a command asks for it, and answers. */
  look(): Promise<void>;
  /** What of the file is not in force. */
  problem(): Omit<Problem, 'since'> | undefined;
  /** Takes its answer away. */
  leave(): Promise<void>;
};

/** A request older than this, found at the start, was asked of those before: the file that was just read is newer. */
const OLD_MS = 600_000;
/** At each look, till somebody asks again: some twenty seconds, or minutes with a database that hangs. */
const MOST_TRIES = 20;

/** What was begun: some of it may be in the database already. `request`: whose answer says so. */
type Begun = { readonly by: string; readonly request: string | undefined; readonly next: InForce; readonly changes: readonly Change[]; readonly openDoor: () => void; tries: number };

/** Reload of the configuration file in one worker. Killed in the midst, it starts with the file as it is: nothing is kept but what the start brings in too. */
export function createReload(parts: ReloadParts): Reload {
  const { started, notes, log, metrics, now, worker } = parts;
  let inForce = started;
  let refused = 0;
  let waiting: readonly string[] = [];
  let begun: Begun | undefined;
  let seen: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function attempt({ by, mode, id }: Asked): Promise<Omit<ReloadAnswer, 'request'>> {
    let changes: readonly Change[] = [];
    try {
      const { file, next } = proposed(inForce);
      changes = changesBetween(inForce.prints, file);
      const openDoor = parts.prepareDoor(next.config);
      await parts.checkDirectory(next.config);
      if (mode === 'try') return { outcome: 'would-take', changes, problems: [], inForce: printInForce(next.prints) };
      // What can't be audited is not begun.
      await parts.store.audit([note('config.reloading', by, detailOf(changes, next))]);
      begun = { by, request: id, next, changes, openDoor, tries: 0 };
      refused = 0;
      return await bring(begun);
    } catch (error) {
      const problems = problemsOf(error);
      if (mode === 'take') await refuse(by, problems);
      return { outcome: 'refused', changes, problems, inForce: printInForce(inForce.prints) };
    }
  }

  /**
   * Decisions go by it before its people come in: who is new on a new partner's server is let in. Each part may be brought again. Cut short, what was in force is so again, though
   * people or rules may be in the database: nothing is more open by that, and it is finished later. Throws when nothing of it was brought.
   */
  async function bring(target: Begun): Promise<Omit<ReloadAnswer, 'request'>> {
    const { by, next, changes, openDoor } = target;
    const before = inForce;
    inForce = next;
    target.tries += 1;
    try {
      await parts.bringDirectory(next.config);
      await parts.bringPolicy(next);
      await parts.store.audit([note('config.reloaded', by, detailOf(changes, next))]);
      parts.faults.at('config.brought');
    } catch (error) {
      inForce = before;
      if (error instanceof DirectoryConflict && target.tries === 1) {
        begun = undefined;
        throw error;
      }
      metrics.count('config_reloads', { outcome: 'partly' });
      log.error('config.partly-reloaded', { by, tries: target.tries, error: errorCode(error) });
      return { outcome: 'partly', changes, problems: [`it was begun, and not finished (${errorCode(error)}): it is tried again by itself, up to ${MOST_TRIES} times; see the worker's log and \`aceso status\``], inForce: printInForce(before.prints) };
    }
    openDoor();
    begun = undefined;
    log.setLevel(next.config.log.level);
    waiting = sectionsOf(changes, 'restart');
    metrics.count('config_reloads', { outcome: changes.length === 0 ? 'unchanged' : 'taken' });
    log.info('config.reloaded', { by, ...detailOf(changes, inForce) });
    return { outcome: 'taken', changes, problems: [], inForce: printInForce(inForce.prints) };
  }

  /** The same again, whatever the file says by now. */
  async function finish(): Promise<void> {
    if (begun === undefined || begun.tries >= MOST_TRIES) return;
    const { request } = begun;
    const answer = await bring(begun).catch(() => undefined);
    if (answer?.outcome === 'taken' && request !== undefined && request === seen) await answerTo(request, answer);
  }

  const answerTo = (request: string, answer: Omit<ReloadAnswer, 'request'>): Promise<void> => notes.write(`${ANSWERS}${worker}`, JSON.stringify({ request, ...answer } satisfies ReloadAnswer));

  async function refuse(by: string, problems: readonly string[]): Promise<void> {
    refused = problems.length;
    metrics.count('config_reloads', { outcome: 'refused' });
    for (const problem of problems) log.error('config.not-reloaded', { by, problem });
    await parts.store.audit([note('config.refused', by, { problems: problems.length, inForce: printInForce(inForce.prints) })]).catch((error: unknown) => log.error('audit.failed', { error: errorCode(error) }));
  }

  const note = (action: string, by: string, detail: AuditNote['detail']): AuditNote => ({ at: now(), kind: 'config', aggregate: worker, action, because: `by ${by}`, ...(detail === undefined ? {} : { detail }) });
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = turn.then(run);
    turn = mine.catch(() => undefined);
    return mine;
  }
  const finishedFirst = (asked: Asked): ReturnType<typeof attempt> => inTurn(async () => {
    await finish().catch((error: unknown) => log.warn('config.not-looked', { error: errorCode(error) }));
    return attempt(asked);
  });

  return {
    inForce: () => inForce,
    take: async (by) => { await finishedFirst({ by, mode: 'take', id: undefined }); },
    async look() {
      await inTurn(finish);
      const text = await notes.read(ASKED);
      const asked = text === undefined ? undefined : (JSON.parse(text) as ReloadAsked);
      if (asked !== undefined && asked.id !== seen && (seen !== undefined || now() - asked.at < OLD_MS)) {
        await answerTo(asked.id, await inTurn(() => attempt(asked)));
      }
      seen = asked?.id ?? '';
    },
    problem() {
      if (begun !== undefined) return { part: 'config', code: 'partly-loaded', message: `the configuration file was taken over in part: its people or rules may be in, and the rest is as before${begun.tries < MOST_TRIES ? '; it is tried again by itself' : `, after ${MOST_TRIES} tries: see the worker's log, mend what it says, then \`aceso config reload\``}` };
      if (refused > 0) return { part: 'config', code: 'not-loaded', message: `the configuration file was not taken over, for ${refused} reason(s) that \`aceso config reload --dry-run\` names: what was in force stays so` };
      return waiting.length === 0 ? undefined : { part: 'config', code: 'needs-restart', message: `what the configuration file says of ${waiting.join(', ')} is in force only after a restart` };
    },
    leave: () => notes.remove(`${ANSWERS}${worker}`),
  };
}

type Asked = Pick<ReloadAsked, 'by' | 'mode'> & { readonly id: string | undefined };

const detailOf = (changes: readonly Change[], { prints }: InForce): Readonly<Record<string, string>> => ({ sections: sectionsOf(changes, 'reload').join(' '), needsRestart: sectionsOf(changes, 'restart').join(' '), inForce: printInForce(prints) });

/** What nobody wrote for people is told by its code: a driver's message may quote anything. */
function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems;
  return [error instanceof DirectoryConflict ? error.message : `it can't be taken over now (${errorCode(error)}): see the worker's log and \`aceso status\`, then ask again`];
}
