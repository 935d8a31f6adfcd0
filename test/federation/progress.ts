/** What a run says while it goes on, and the look at whether all its programs still run. */
import type { Ledger } from './ledger.ts';
import type { FederationOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { judge } from './verdict.ts';
import type { Watch } from './watch.ts';

export type Progress = { played(): void; count(): number; perSecond(): number; seconds(): number; stop(): void };

export type ProgressParts = {
  readonly options: FederationOptions;
  readonly ledger: Ledger;
  readonly watches: readonly Watch[];
  readonly stage: Pick<Stage, 'ended'>;
  readonly say: (line: string) => void;
  /** A program that is needed has ended. */
  readonly giveUp: (reason: string) => void;
};

const SAID_EVERY_MS = 20_000;
const LOOK_EVERY_MS = 1000;

export function startProgress({ options, ledger, watches, stage, say, giveUp }: ProgressParts): Progress {
  const started = Date.now();
  const seconds = (): number => Math.round((Date.now() - started) / 1000);
  const perSecond = (): number => Math.round((played / (Date.now() - started)) * 10_000) / 10;
  const missed = new Set<string>();
  let played = 0;

  function findings(): string {
    const old = ledger.attempts.filter(({ sentAt }) => Date.now() - sentAt > options.shownForMs);
    const { forbiddenAccepted, allowedRefused } = judge({ attempts: old, shown: [], seen: watches.map((each) => each.seen()), shownForMs: options.shownForMs });
    const unseen = old.filter(({ allowed, eventId }) => allowed && eventId !== undefined && !watches.every((each) => each.has(eventId))).length;
    const troubles = [...ledger.troubles.all.values()].reduce((sum, { times }) => sum + times, 0);
    return `forbidden accepted ${forbiddenAccepted}, signed ${ledger.signed.length}; allowed refused ${allowedRefused}, not seen at both yet ${unseen}; troubles ${troubles}`;
  }

  const talk = setInterval(() => say(`${played} of ${options.events} events, ${seconds()} s: ${findings()}`), SAID_EVERY_MS);
  const look = setInterval(() => {
    for (const { name, how, needed } of stage.ended()) {
      if (missed.has(name)) continue;
      missed.add(name);
      ledger.troubles.note(`${name} ended`, how);
      say(`${name} ended: ${how}`);
      if (needed) giveUp(`${name} ended: ${how}`);
    }
  }, LOOK_EVERY_MS);
  return {
    played: () => void (played += 1),
    count: () => played,
    perSecond, seconds,
    stop() {
      clearInterval(talk);
      clearInterval(look);
    },
  };
}
