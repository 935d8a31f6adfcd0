import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { Judge } from '../../domain/policy/question.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { requestOf, type CedarRequest } from './request.ts';
import type { PolicyRule } from './rules.ts';

/** What no rule permits is refused under this name. */
export const DEFAULT_DENY = 'default-deny';
/** What the rules can't answer is refused under this one. */
export const POLICY_ERROR = 'policy-error';

/** Which rules of a set hold for a request; `failed`: those that broke down over it, or everything. */
export type Asked = { readonly allowed: boolean; readonly rules: readonly string[]; readonly failed: readonly string[] };

let sets = 0;

/** Parses rules once; each question then takes a fraction of a millisecond. Throws for rules that Cedar doesn't take: they were checked before. */
export function prepare(rules: readonly PolicyRule[]): (request: CedarRequest) => Asked {
  const preparsedPolicySetId = `rules-${(sets += 1)}`;
  const parsed = preparsePolicySet(preparsedPolicySetId, { staticPolicies: Object.fromEntries(rules.map(({ id, text }) => [id, text])) });
  if (parsed.type === 'failure') throw new Error('Cedar refused rules that it had parsed before');
  return (request) => {
    const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId, validateRequest: false });
    if (answer.type === 'failure') return { allowed: false, rules: [], failed: [POLICY_ERROR] };
    const { decision, diagnostics } = answer.response;
    return { allowed: decision === 'allow', rules: [...diagnostics.reason].sort(), failed: diagnostics.errors.map(({ policyId }) => policyId) };
  };
}

/**
 * The judge over a set of rules. A rule that breaks down over a question (an attribute that isn't there, a number too large) is left out by Cedar, and if it
 * was a `forbid`, that would permit: here it refuses. Rules that warn are a set of their own, so that they can't.
 */
export function createJudge(rules: readonly PolicyRule[], revision: string): Judge {
  const messages = new Map(rules.map(({ id, message }) => [id, message]));
  const ask = prepare(rules.filter(({ warns }) => !warns));
  const warning = rules.filter(({ warns }) => warns);
  const warn = warning.length > 0 ? prepare(warning) : undefined;
  const decide = (request: CedarRequest, roles: readonly string[]): Verdict => {
    const { allowed, rules: reasons, failed } = ask(request);
    const refuse = (by: readonly string[], message: string): Verdict => ({ allowed: false, revision, rules: by, message, warnings: [] });
    if (failed.length > 0) return refuse([...new Set([POLICY_ERROR, ...failed])], 'The rules can\'t answer this, so it is refused. Tell IT: `aceso policy check` says more.');
    if (!allowed) return reasons.length === 0 ? refuse([DEFAULT_DENY], noRule(roles)) : refuse(reasons, reasons.map((id) => messages.get(id) ?? '').filter((message) => message !== '').join(' '));
    const warned = warn?.(request);
    return { allowed, revision, rules: reasons, message: '', warnings: warned === undefined ? [] : [...warned.rules, ...warned.failed].sort() };
  };
  const known = new Map<string, Verdict>();
  return (question) => {
    const request = requestOf(question);
    // The answer depends on the request alone, and a busy hospital asks the same all day: time is in it as days and as agreements in force.
    const key = JSON.stringify(request);
    const before = known.get(key);
    if (before) return before;
    if (known.size >= REMEMBERED) known.clear();
    const verdict = decide(request, question.who.roles);
    known.set(key, verdict);
    return verdict;
  };
}

/** Verdicts kept at most: some 20 MB. */
const REMEMBERED = 20_000;

const noRule = (roles: readonly string[]): string =>
  (roles.length === 0 ? 'The directory doesn\'t know them, so they have no role. Have them entered with their role.' : `No rule permits this to ${roles.join(' and ')}. If their work needs it, ask the compliance officer.`);
