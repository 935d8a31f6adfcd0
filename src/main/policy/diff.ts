import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import { table, type Printed } from '../print.ts';
import { matrixOf, type JudgedCell } from './matrix.ts';

type RuleChange = { readonly rule: string; readonly change: 'added' | 'removed' | 'changed'; readonly file: string };
type CellChange = { readonly role: string; readonly action: string; readonly kind: string; readonly before: boolean; readonly after: boolean; readonly because: readonly string[] };

/** Which rules and which cells of the role matrix differ. */
export function diffPolicies(before: LoadedPolicy, after: LoadedPolicy): Printed {
  const rules = rulesBetween(before, after);
  const cells = cellsBetween(before, after);
  const json = { before: before.revision, after: after.revision, rules, cells };
  if (before.revision === after.revision) return { json, text: `Both are revision ${before.revision.slice(0, 12)}.` };
  return {
    json,
    text: [
      `${before.revision.slice(0, 12)} → ${after.revision.slice(0, 12)}`, '',
      table(['', 'RULE', 'FILE'], rules.map(({ change, rule, file }) => [change, rule, file]), 'No rule differs: comments or the schema do.'), '',
      table(['ROLE', 'ACTION', 'ROOM', 'BEFORE', 'AFTER', 'BY'], cells.map(({ role, action, kind, before: was, after: is, because }) => [role, action, kind, word(was), word(is), because.join(' ')]), 'No cell of the role matrix differs. What a rule asks of training, devices, labels or departments doesn\'t show there: see `aceso policy simulate`.'),
    ].join('\n'),
  };
}

export const word = (allowed: boolean): string => (allowed ? 'yes' : 'no');

function rulesBetween(before: LoadedPolicy, after: LoadedPolicy): readonly RuleChange[] {
  const [was, is] = [before, after].map(({ rules }) => new Map(rules.map((rule) => [rule.id, rule])));
  return [...new Set([...before.rules, ...after.rules].map(({ id }) => id))].sort().flatMap((rule): readonly RuleChange[] => {
    const [old, now] = [was?.get(rule), is?.get(rule)];
    if (old && now) return old.text === now.text ? [] : [{ rule, change: 'changed', file: now.file }];
    return [{ rule, change: now ? 'added' : 'removed', file: (now ?? old)?.file ?? '' }];
  });
}

/** A role that one of them doesn't have may do nothing there. */
function cellsBetween(before: LoadedPolicy, after: LoadedPolicy): readonly CellChange[] {
  const roles = [...new Set([...before.roles, ...after.roles])];
  const [was, is] = [before, after].map(({ judge }) => matrixOf({ roles, judge }));
  return (was ?? []).flatMap((old, index): readonly CellChange[] => {
    const now: JudgedCell | undefined = is?.[index];
    if (!now || old.verdict.allowed === now.verdict.allowed) return [];
    const { role, action, kind } = old;
    return [{ role, action, kind, before: old.verdict.allowed, after: now.verdict.allowed, because: now.verdict.rules }];
  });
}
