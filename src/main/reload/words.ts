import type { Change } from '../../config/sections.ts';

/** The note by which a command asks all workers; each answers in a note of its own (`ports/notes.ts`). */
export const ASKED = 'config.reload';
export const ANSWERS = 'config.reloaded/';

/** `try` changes nothing, and is answered with what would be. `at`: by the database's clock. */
export type ReloadAsked = { readonly id: string; readonly by: string; readonly at: number; readonly mode: 'take' | 'try' };

export type ReloadAnswer = {
  readonly request: string;
  /** `partly`: it was begun, and the database cut it short; it is tried again. */
  readonly outcome: 'taken' | 'would-take' | 'refused' | 'partly';
  /** Between what was in force and the file. */
  readonly changes: readonly Change[];
  /** Why it was refused, or not finished, for a person. */
  readonly problems: readonly string[];
  /** SHA-256 of what is in force after it (or would be) and a reload can change: the same with all workers that have the same file. */
  readonly inForce: string;
};

export const nameOf = ({ section, id }: Change): string => (id === undefined ? section : `${section}/${id}`);
/** The sections among them, each once. */
export const sectionsOf = (changes: readonly Change[], takes: Change['takes']): readonly string[] => [...new Set(changes.filter((change) => change.takes === takes).map(({ section }) => section))];
