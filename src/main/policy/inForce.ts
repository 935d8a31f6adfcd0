import { filesOf, revisionOf } from '../../adapters/policy/files.ts';
import { loadPolicy, type LoadedPolicy } from '../../adapters/policy/load.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { PolicyHistory } from '../../ports/policyHistory.ts';
import type { Problem } from '../health.ts';
import { filesOfConfig, folderOf, policyOf } from './folder.ts';

/** The folder's rules, or why they can't be loaded. */
export type PolicyRead = { readonly policy: LoadedPolicy } | { readonly error: unknown };

export function readPolicy(config: LoadedConfig): PolicyRead {
  try {
    return { policy: policyOf(folderOf(config)) };
  } catch (error) {
    return { error };
  }
}

/**
 * The rules to begin with. When the folder's can't be loaded, the ones that were loaded last, by any worker, come back into force, and it is an alarm. Without any
 * before, there is nothing to decide by: then the start is refused, with what is wrong.
 */
export async function policyAtStart(read: PolicyRead, history: PolicyHistory): Promise<{ readonly policy: LoadedPolicy; readonly problem?: Omit<Problem, 'since'> }> {
  if ('policy' in read) return { policy: read.policy };
  const last = await history.last();
  const policy = last && loadPolicy(filesOf(last.text)).policy;
  if (!policy) throw read.error;
  const why = read.error instanceof Error ? read.error.message : 'they can\'t be read';
  return { policy, problem: { part: 'policy', code: 'not-loaded', message: `the rules of the folder can't be loaded, so the ones loaded before stay in force (${policy.revision.slice(0, 12)}): ${why}` } };
}

/** The rules of a folder that is read again: those that are in force, when their text is the same. Throws as `policyOf`. */
export function policyAgain(config: LoadedConfig, before: LoadedPolicy): LoadedPolicy {
  return revisionOf(filesOfConfig(config)) === before.revision ? { ...before } : policyOf(folderOf(config));
}
