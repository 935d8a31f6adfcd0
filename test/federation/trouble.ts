/** What went wrong with the run itself, and doesn't end it: a server that didn't answer, an event that couldn't be tried. Counted, each with the first example. */
export type Troubles = {
  note(what: string, example: string): void;
  readonly all: ReadonlyMap<string, Trouble>;
};

export type Trouble = { readonly times: number; /** Of the first time: with event and time, for looking into logs. */ readonly first: string };

export function createTroubles(): Troubles {
  const all = new Map<string, Trouble>();
  return {
    all,
    note(what, example) {
      const before = all.get(what);
      all.set(what, before ? { ...before, times: before.times + 1 } : { times: 1, first: `${new Date().toISOString()} ${example}` });
    },
  };
}
