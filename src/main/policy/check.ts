import { checkPolicy } from '../../adapters/policy/check.ts';
import type { PolicyFiles } from '../../adapters/policy/files.ts';
import { table, type Printed } from '../print.ts';

/** Everything that is wrong with rules. `failed`: something is. */
export function checkRules(name: string, files: PolicyFiles): Printed & { readonly failed: boolean } {
  const { policy, problems } = checkPolicy(files);
  const state = policy ? { revision: policy.revision, rules: policy.rules.length, roles: policy.roles } : {};
  const json = { ok: problems.length === 0, loads: policy !== undefined, ...state, problems };
  if (problems.length === 0 && policy) return { json, text: `${name} is fine: ${policy.rules.length} rules in ${Object.keys(files).length - 1} files, ${policy.roles.length} roles, revision ${policy.revision.slice(0, 12)}.`, failed: false };
  const rows = problems.map(({ severity, file, line, rule = '', message }) => [severity, `${file}${line === undefined ? '' : `:${line}`}`, rule, message]);
  const end = policy ? 'It can be loaded; a warning is a rule that can hardly be meant.' : 'It can\'t be loaded: what is in force stays so.';
  return { json, text: [table(['', 'WHERE', 'RULE', 'WHAT'], rows, ''), '', end].join('\n'), failed: true };
}
