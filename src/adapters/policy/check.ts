import type { PolicyFiles } from './files.ts';
import { cells, OWN, PARTNER, questionOf } from './grid.ts';
import { prepare } from './judge.ts';
import { loadPolicy, type LoadedPolicy, type PolicyLoading } from './load.ts';
import { requestOf } from './request.ts';
import type { PolicyProblem, PolicyRule } from './rules.ts';

/** What `loadPolicy` finds, and the rules that load and can't be meant. Takes longer: it asks the whole role matrix. */
export function checkPolicy(files: PolicyFiles): PolicyLoading {
  const loading = loadPolicy(files);
  return loading.policy ? { ...loading, problems: [...loading.problems, ...beaten(loading.policy)] } : loading;
}

/**
 * Permits that never permit: wherever they hold, a refusal holds that asks for nothing but role, action and kind of room. Found over every role, action and kind,
 * at home and with a partner; a permit that holds nowhere there (it asks for a department, for two roles at once) is left alone.
 */
function beaten({ rules, roles }: LoadedPolicy): readonly PolicyProblem[] {
  const permits = rules.filter(({ effect }) => effect === 'permit');
  const refusals = rules.filter((rule) => rule.effect === 'forbid' && !rule.warns && isStructural(rule));
  if (refusals.length === 0) return [];
  const [asked, refused] = [prepare(permits), prepare(refusals)];
  const held = new Map<string, Set<string> | 'free'>();
  for (const cell of cells(roles)) for (const organisation of [OWN, PARTNER]) {
    const request = requestOf(questionOf(cell, { organisation }));
    const holding = asked(request).rules;
    if (holding.length === 0) continue;
    const by = refused(request).rules;
    for (const id of holding) {
      const before = held.get(id);
      if (before !== 'free') held.set(id, by.length === 0 ? 'free' : new Set([...(before ?? []), ...by]));
    }
  }
  return permits.flatMap(({ id, file, line }) => {
    const by = held.get(id);
    return by === undefined || by === 'free' ? [] : [{ severity: 'warning', file, line, rule: id, message: `never permits anything: wherever it holds, ${[...by].sort().join(' or ')} refuses` } as const];
  });
}

/** Whether a rule looks at roles, actions and kinds of rooms alone. */
const isStructural = ({ json: { conditions } }: PolicyRule): boolean => !looksAtFacts(conditions);

function looksAtFacts(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(looksAtFacts);
  if (typeof node !== 'object' || node === null) return false;
  return Object.entries(node).some(([name, each]) => name === '.' || name === 'has' || name === 'hasTag' || name === 'getTag' || (name === 'Var' && each === 'context') || looksAtFacts(each));
}
