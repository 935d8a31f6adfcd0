/** What a run of one target found. */
export type Report = {
  readonly target: string;
  readonly inputs: number;
  /** Answers by status, or outcomes by name. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
};

/** `input` repeats it: a seed and number, never the text. */
export type Failure = { readonly input: string; readonly what: string };

export class Tally {
  readonly target: string;
  inputs = 0;
  readonly #outcomes = new Map<string, number>();
  readonly #failures: Failure[] = [];

  constructor(target: string) {
    this.target = target;
  }

  outcome(name: string): void {
    this.inputs += 1;
    this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
  }

  failure(input: number | string, what: string): void {
    this.#failures.push({ input: String(input), what });
  }

  report(): Report {
    return { target: this.target, inputs: this.inputs, outcomes: Object.fromEntries([...this.#outcomes].sort(([a], [b]) => a.localeCompare(b))), failures: this.#failures };
  }
}

const LEAK = /\n\s+at |file:\/\/|node_modules|SQLITE_|TypeError|RangeError|SyntaxError/u;

/** What is wrong with an answer; undefined: nothing. */
export function wrongWith(status: number, text: string, isRefusal: (body: Readonly<Record<string, unknown>>) => boolean): string | undefined {
  if (status >= 500 && status !== 503) return `answered ${status}`;
  if (LEAK.test(text)) return `its answer (${status}) shows the inside`;
  if (status < 400) return undefined;
  const body = parsed(text);
  return body && isRefusal(body) ? undefined : `refused with ${status}, and not in the protocol's form`;
}

export const whyNot = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? `${cause.name} ${cause.message}` : 'unknown';
};

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Runs `task` for 0 … count - 1, a few at a time, and tells how far it is. */
export async function inTurns(count: number, width: number, say: (done: number) => void, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      await task(index);
      if (index > 0 && index % 1000 === 0) say(index);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
