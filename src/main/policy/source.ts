import { existsSync, statSync } from 'node:fs';
import { filesOf, readPolicyFolder, type PolicyFiles } from '../../adapters/policy/files.ts';
import { loadPolicy, type LoadedPolicy } from '../../adapters/policy/load.ts';
import { ConfigError, type LoadedConfig } from '../../config/load.ts';
import type { PolicyHistory } from '../../ports/policyHistory.ts';
import { BUILT_IN, filesOfConfig, problemWords } from './folder.ts';

/** Words by which a command names rules, besides a folder and the beginning of a revision. */
export const SOURCES = ['in-force', 'configured', 'built-in'] as const;

/**
 * The files of what a command names: `in-force` (loaded last, by any worker), `configured` (the folder as it is now), `built-in`, a folder, or the beginning of a
 * revision of the history.
 */
export async function filesNamed(name: string, config: () => LoadedConfig, history: () => Promise<PolicyHistory>): Promise<PolicyFiles> {
  if (name === 'built-in') return readPolicyFolder(BUILT_IN);
  if (name === 'configured') return filesOfConfig(config());
  if (name !== 'in-force' && existsSync(name) && statSync(name).isDirectory()) return readPolicyFolder(name);
  const kept = await history();
  if (name === 'in-force') {
    const last = await kept.last();
    if (!last) throw new Error('No rules were loaded yet: they are when the server starts. Name a folder, or `configured`.');
    return filesOf(last.text);
  }
  const found = (await kept.list()).filter(({ revision }) => revision.startsWith(name));
  if (found.length === 1 && found[0]) return filesOf(found[0].text);
  throw new Error(found.length > 1 ? `${name} begins ${found.length} revisions: give more of it.` : `${name} is neither a folder nor the beginning of a revision. See \`aceso policy history\`; or one of ${SOURCES.join(', ')}.`);
}

/** Rules that can be asked; throws with everything that is wrong. */
export function loaded(name: string, files: PolicyFiles): LoadedPolicy {
  const { policy, problems } = loadPolicy(files);
  if (!policy) throw new ConfigError(name, problems.filter(({ severity }) => severity === 'error').map(problemWords));
  return policy;
}
