/** The policy's answer to one question: whether, by which rules of which revision, and what to tell whoever asked. */
export type Verdict = {
  readonly allowed: boolean;
  /** Names the text of the policy that answered: a hash of it. */
  readonly revision: string;
  /** The ids of the rules that made the answer, sorted. None of them permitting is itself a refusal, by `default-deny`. */
  readonly rules: readonly string[];
  /** Plain words for the person: why not, and what to do instead. Never PHI. Empty when allowed. */
  readonly message: string;
  /** Rules that warn and don't refuse: training that is overdue, a device that isn't verified. */
  readonly warnings: readonly string[];
  /** The hospital (its server) whose demand it is, where an agreement has it; otherwise it is this one's rule of today. */
  readonly by?: string;
};
