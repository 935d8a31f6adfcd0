import { cells, questionOf, type Cell } from '../../adapters/policy/grid.ts';
import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';

export type JudgedCell = Cell & { readonly verdict: Verdict };

/** Every role × action × room kind, for somebody who is as they should be: trained, with a second factor, the patient and the result theirs. */
export const matrixOf = ({ roles, judge }: Pick<LoadedPolicy, 'roles' | 'judge'>): readonly JudgedCell[] => cells(roles).map((cell) => ({ ...cell, verdict: judge(questionOf(cell)) }));
