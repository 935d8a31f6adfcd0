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
  /** Takes over what the file says by now, all that can be or nothing. Never rejects. */
  take(by: string): Promise<void>;
  /** Looks whether a command asks for it, and answers. */
  look(): Promise<void>;
  /** What of the file is not in force. */
  problem(): Omit<Problem, 'since'> | undefined;
  /** Takes its answer away. */
  leave(): Promise<void>;
};

/** A request older than this, found at the start, was asked of those before: the file that was just read is newer. */
const OLD_MS = 600_000;

/** Reload of the configuration file in one worker. Killed in the midst, it starts with the file as it is: nothing is kept but what the start brings in too. */
export function createReload(parts: ReloadParts): Reload {
  const { started, notes, log, metrics, now, worker } = parts;
  let inForce = started;
  let refused = 0;
  let waiting: readonly string[] = [];
  let seen: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function attempt({ by, mode }: Pick<ReloadAsked, 'by' | 'mode'>): Promise<Omit<ReloadAnswer, 'request'>> {
    let changes: readonly Change[] = [];
    try {
      const { file, next } = proposed(inForce);
      changes = changesBetween(inForce.prints, file);
      const openDoor = parts.prepareDoor(next.config);
      await parts.checkDirectory(next.config);
      if (mode === 'try') return { outcome: 'would-take', changes, problems: [], inForce: printInForce(next.prints) };
      await bring(next, by, changes);
      openDoor();
      log.setLevel(next.config.log.level);
      refused = 0;
      waiting = sectionsOf(changes, 'restart');
      metrics.count('config_reloads', { outcome: changes.length === 0 ? 'unchanged' : 'taken' });
      log.info('config.reloaded', { by, ...detailOf(changes, inForce) });
      return { outcome: 'taken', changes, problems: [], inForce: printInForce(inForce.prints) };
    } catch (error) {
      const problems = problemsOf(error);
      if (mode === 'take') await refuse(by, problems);
      return { outcome: 'refused', changes, problems, inForce: printInForce(inForce.prints) };
    }
  }

  /** Decisions go by it before its people come in: who is new on a new partner's server is let in. What can't be audited is not done. */
  async function bring(next: InForce, by: string, changes: readonly Change[]): Promise<void> {
    const before = inForce;
    inForce = next;
    try {
      await parts.store.audit([note('config.reloaded', by, detailOf(changes, next))]);
      await parts.bringDirectory(next.config);
      await parts.bringPolicy(next);
      parts.faults.at('config.brought');
    } catch (error) {
      inForce = before;
      throw error;
    }
  }

  async function refuse(by: string, problems: readonly string[]): Promise<void> {
    refused = problems.length;
    metrics.count('config_reloads', { outcome: 'refused' });
    for (const problem of problems) log.error('config.not-reloaded', { by, problem });
    await parts.store.audit([note('config.refused', by, { problems: problems.length, inForce: printInForce(inForce.prints) })]).catch((error: unknown) => log.error('audit.failed', { error: errorCode(error) }));
  }

  const note = (action: string, by: string, detail: AuditNote['detail']): AuditNote => ({ at: now(), kind: 'config', aggregate: worker, action, because: `by ${by}`, ...(detail === undefined ? {} : { detail }) });
  const inTurn = (asked: Pick<ReloadAsked, 'by' | 'mode'>): ReturnType<typeof attempt> => {
    const mine = turn.then(() => attempt(asked));
    turn = mine;
    return mine;
  };

  return {
    inForce: () => inForce,
    take: async (by) => { await inTurn({ by, mode: 'take' }); },
    async look() {
      const text = await notes.read(ASKED);
      const asked = text === undefined ? undefined : (JSON.parse(text) as ReloadAsked);
      if (asked !== undefined && asked.id !== seen && (seen !== undefined || now() - asked.at < OLD_MS)) {
        await notes.write(`${ANSWERS}${worker}`, JSON.stringify({ request: asked.id, ...(await inTurn(asked)) } satisfies ReloadAnswer));
      }
      seen = asked?.id ?? '';
    },
    problem() {
      if (refused > 0) return { part: 'config', code: 'not-loaded', message: `the configuration file was not taken over, for ${refused} reason(s) that \`aceso config reload --dry-run\` names: what was in force stays so` };
      return waiting.length === 0 ? undefined : { part: 'config', code: 'needs-restart', message: `what the configuration file says of ${waiting.join(', ')} is in force only after a restart` };
    },
    leave: () => notes.remove(`${ANSWERS}${worker}`),
  };
}

const detailOf = (changes: readonly Change[], { prints }: InForce): Readonly<Record<string, string>> => ({ sections: sectionsOf(changes, 'reload').join(' '), needsRestart: sectionsOf(changes, 'restart').join(' '), inForce: printInForce(prints) });

/** What nobody wrote for people is told by its code: a driver's message may quote anything. */
function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems;
  return [error instanceof DirectoryConflict ? error.message : `it can't be taken over now (${errorCode(error)}): see the worker's log and \`aceso status\`, then ask again`];
}
