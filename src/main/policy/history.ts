import { filesOf } from '../../adapters/policy/files.ts';
import { rulesIn } from '../../adapters/policy/rules.ts';
import type { PolicyHistory } from '../../ports/policyHistory.ts';
import { instant, table, type Printed } from '../print.ts';

/** Every revision that was in force, the one loaded last first. */
export async function policyHistory(history: PolicyHistory): Promise<Printed> {
  const revisions = (await history.list()).map(({ revision, text, firstLoadedAt, lastLoadedAt }) => ({ revision, rules: rulesIn(filesOf(text)).rules.length, firstLoadedAt, lastLoadedAt }));
  return {
    json: revisions,
    text: table(['REVISION', 'RULES', 'FIRST LOADED', 'LAST LOADED'], revisions.map(({ revision, rules, firstLoadedAt, lastLoadedAt }) => [revision.slice(0, 12), String(rules), instant(firstLoadedAt), instant(lastLoadedAt)]), 'No rules were loaded yet: they are when the server starts.'),
  };
}
