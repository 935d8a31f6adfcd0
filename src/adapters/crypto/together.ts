/**
 * One `work` at a time, for all who ask: what is asked for while it runs is done at once by the next. Settles, for each, as the work that began after it was asked did.
 * For what costs nearly the same for one as for a thousand: each call that changes the engine writes its whole account anew.
 */
export function together<T>(work: (all: readonly T[]) => Promise<void>): (what: readonly T[]) => Promise<void> {
  let next: { readonly all: Set<T>; readonly done: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();

  const begin = (): NonNullable<typeof next> => {
    const all = new Set<T>();
    const done = last.then(() => {
      next = undefined;
      return work([...all]);
    });
    last = done.catch(() => undefined);
    return { all, done };
  };

  return (what) => {
    next ??= begin();
    for (const one of what) next.all.add(one);
    return next.done;
  };
}
