/**
 * What Aceso notes of its own running, for all workers and over restarts: that a restored database has to catch up, what of the configuration file
 * was applied. Names and values are Aceso's own: never PHI, never a secret.
 */
export type Notes = {
  read(name: string): Promise<string | undefined>;
  write(name: string, value: string): Promise<void>;
  /** Those whose name begins with `prefix`, by name. */
  list(prefix: string): Promise<ReadonlyMap<string, string>>;
  remove(name: string): Promise<void>;
};
