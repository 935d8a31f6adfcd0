/** A laboratory that does its part: each result is pushed, the same resource again and again, until it is answered 2xx. */
import { potassiumReport } from '../support/fhir.ts';
import type { Random } from './random.ts';
import { accessionOf } from './tally.ts';
import type { Accepted } from './verdict.ts';

/** Whom a result can be for: found by the NPI of its orderer, read by these clients. */
export type Party = { readonly npi: string; readonly readers: readonly string[] };

export type LaboratoryOptions = {
  /** FHIR base addresses; after a failure the next one is tried. */
  readonly doors: readonly string[];
  readonly token: string;
  readonly random: Random;
  /** To whom the next result goes. */
  readonly party: () => Party;
  readonly perSecond: number;
  /** Whether to wait with new results: a bound on what is under way, so that a slow machine ends in time. */
  readonly isFull: () => boolean;
};

/** `at`: when it was answered, ms since 1970. `factId`: what Aceso named it in the `Location` of its answer; its deliveries' ids begin with it. */
export type AcceptedResult = Accepted & { readonly at: number; readonly factId: string };

export type Laboratory = {
  /** Those answered 2xx so far. */
  readonly accepted: readonly AcceptedResult[];
  /** Those pushed and not answered 2xx yet. */
  readonly waiting: ReadonlySet<string>;
  /** How often each status was answered; `0` is no answer at all. */
  readonly answers: ReadonlyMap<number, number>;
  start(): void;
  /** Pushes one result; resolves when it is accepted. */
  push(party: Party): Promise<void>;
  /** Resolves at the next push. */
  busy(): Promise<void>;
  /** No new results; resolves when each has its 2xx, or gives up `withinMs` later: what got none isn't accepted. */
  stop(withinMs: number): Promise<void>;
};

const ANSWER_WITHIN_MS = 10_000;
/** Patients that results are about. */
const PATIENTS = 40;

export function createLaboratory(options: LaboratoryOptions): Laboratory {
  const { doors, token, random } = options;
  const accepted: AcceptedResult[] = [];
  const waiting = new Set<string>();
  const answers = new Map<number, number>();
  const pushes = new Set<Promise<void>>();
  const givenUp = new AbortController();
  let sequence = 0;
  let door = 0;
  let watchers: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  /** Status 0: no answer. */
  async function attempt(body: string, headers: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly location: string }> {
    const base = doors[door % doors.length] ?? '';
    try {
      const response = await fetch(`${base}/DiagnosticReport`, {
        method: 'POST', body, signal: AbortSignal.any([givenUp.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
        headers: { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}`, ...headers },
      });
      await response.arrayBuffer(); // an answer that breaks off is none
      return { status: response.status, location: response.headers.get('location') ?? '' };
    } catch {
      return { status: 0, location: '' };
    }
  }

  async function push({ npi, readers }: Party): Promise<void> {
    const accession = accessionOf((sequence += 1));
    const body = JSON.stringify(potassiumReport({ accession, npi, mrn: String(70_000 + random.between(1, PATIENTS)) }));
    // Half of the sources in the field ask for a conditional create; the others rely on the content.
    const headers: Record<string, string> = random.chance(0.5) ? { 'if-none-exist': `identifier=urn:mercy:lab:filler|${accession}` } : {};
    waiting.add(accession);
    for (const watcher of watchers.splice(0)) watcher();
    for (let tries = 1; !givenUp.signal.aborted; tries += 1) {
      const { status, location } = await attempt(body, headers);
      answers.set(status, (answers.get(status) ?? 0) + 1);
      if (status >= 200 && status < 300) {
        waiting.delete(accession);
        accepted.push({ accession, readers, at: Date.now(), factId: /\/DiagnosticReport\/([^/]+)/u.exec(location)?.[1] ?? '' });
        return;
      }
      door += 1;
      await pause(Math.min(100 * tries, 1000));
    }
  }

  const begin = (party: Party): Promise<void> => {
    const pushing = push(party).finally(() => pushes.delete(pushing));
    pushes.add(pushing);
    return pushing;
  };
  return {
    accepted, waiting, answers,
    start() {
      timer = setInterval(() => {
        if (!options.isFull()) void begin(options.party());
      }, 1000 / options.perSecond);
    },
    push: begin,
    busy: () => new Promise((resolve) => { watchers.push(resolve); }),
    async stop(withinMs) {
      clearInterval(timer);
      for (const watcher of watchers.splice(0)) watcher();
      watchers = [];
      const giveUp = setTimeout(() => givenUp.abort(), withinMs);
      await Promise.all(pushes);
      clearTimeout(giveUp);
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
