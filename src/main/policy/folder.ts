import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPolicyFolder, type PolicyFiles } from '../../adapters/policy/files.ts';
import { loadPolicy, type LoadedPolicy } from '../../adapters/policy/load.ts';
import type { PolicyProblem } from '../../adapters/policy/rules.ts';
import { ConfigError, type LoadedConfig } from '../../config/load.ts';

/** The rules that come with Aceso. */
export const BUILT_IN = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'config', 'policy');

export const folderOf = (config: LoadedConfig): string => (config.policy_dir === undefined ? BUILT_IN : config.at(config.policy_dir));

export const filesOfConfig = (config: LoadedConfig): PolicyFiles => readPolicyFolder(folderOf(config));

export const problemWords = ({ file, line, rule, message }: PolicyProblem): string => `${file}${line === undefined ? '' : `:${line}`}${rule === undefined ? '' : ` ${rule}`}: ${message}`;

/** The rules of a folder, or a `ConfigError` that names everything that keeps them from being loaded. */
export function policyOf(folder: string): LoadedPolicy {
  const { policy, problems } = loadPolicy(readPolicyFolder(folder));
  if (!policy) throw new ConfigError(folder, problems.filter(({ severity }) => severity === 'error').map(problemWords));
  return policy;
}
