import { preparsePolicySet, preparseSchema, schemaToJson, statefulIsAuthorized, validate } from '@cedar-policy/cedar-wasm/nodejs';
import { as, type Millis } from '../../domain/brand.ts';
import type { Circumstances, Judge, Question, Target, Who } from '../../domain/policy/question.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { ACTIONS, AGREEMENT_KINDS, LABELS, POSTURES, RECIPIENT, RECORDS, ROOM_KINDS, type Action } from '../../domain/policy/words.ts';
import { canonicalText, revisionOf, type PolicyFiles } from './files.ts';
import { asTheyShouldBe, GRID_AT, ORDINARY, OWN, PARTNER } from './grid.ts';
import { createJudge } from './judge.ts';
import { requestOf } from './request.ts';
import { lineOf, rulesIn, wordsOf, type PolicyProblem, type PolicyRule } from './rules.ts';

/** Rules that can be asked. `revision`: SHA-256 of `text`, in hex. */
export type LoadedPolicy = { readonly revision: string; readonly text: string; readonly roles: readonly string[]; readonly rules: readonly PolicyRule[]; readonly judge: Judge };

/** `policy` is absent when a problem is an error: what is half right is not in force. */
export type PolicyLoading = { readonly policy?: LoadedPolicy; readonly problems: readonly PolicyProblem[] };

/** Reads rules and their schema, and finds everything that is wrong with them at once. */
export function loadPolicy(files: PolicyFiles): PolicyLoading {
  const schemas = Object.keys(files).filter((name) => name.endsWith('.cedarschema'));
  const [schemaFile] = schemas;
  if (schemaFile === undefined || schemas.length > 1) return { problems: [{ severity: 'error', file: schemaFile ?? 'the folder', message: `has ${schemas.length === 0 ? 'no schema' : 'several schemas'}: there is one file *.cedarschema. \`aceso policy init\` makes it.` }] };
  const schema = files[schemaFile] ?? '';
  const parsed = schemaToJson(schema);
  if (parsed.type === 'failure') return { problems: parsed.errors.map((error) => ({ severity: 'error', file: schemaFile, ...lineOf(schema, error), message: wordsOf(error) })) };
  const { rules, problems } = rulesIn(files);
  const roles = enumOf(parsed.json[''], 'Role');
  const found = [...problems, ...unfitSchema(schemaFile, schema), ...validated(schema, files, rules)];
  if (rules.length === 0) found.push({ severity: 'error', file: 'the folder', message: 'has no rule: nothing would be permitted to anybody' });
  if (found.some(({ severity }) => severity === 'error')) return { problems: found };
  const revision = revisionOf(files);
  const judge = createJudge(rules, revision);
  found.push(...keptFromTheResponsible(judge, roles, rules));
  if (found.some(({ severity }) => severity === 'error')) return { problems: found };
  return { problems: found, policy: { revision, text: canonicalText(files), roles, rules, judge } };
}

function enumOf(namespace: { readonly entityTypes: Readonly<Record<string, object>> } | undefined, type: string): readonly string[] {
  const { enum: names } = (namespace?.entityTypes[type] ?? {}) as { readonly enum?: readonly string[] };
  return names ?? [];
}

/** A word that the schema doesn't know is a typo, and a rule that can never hold is not one. */
function validated(schema: string, files: PolicyFiles, rules: readonly PolicyRule[]): readonly PolicyProblem[] {
  const byKey = new Map(rules.map((rule, index) => [`rule${index}`, rule]));
  const answer = validate({ schema, policies: { staticPolicies: Object.fromEntries([...byKey].map(([key, { text }]) => [key, text])) }, validationSettings: { mode: 'strict' } });
  if (answer.type === 'failure') return answer.errors.map((error) => ({ severity: 'error', file: 'the folder', message: wordsOf(error) }));
  const problems: PolicyProblem[] = [];
  for (const [severity, errors] of [['error', answer.validationErrors], ['warning', answer.validationWarnings]] as const) {
    for (const { policyId, error } of errors) {
      const rule = byKey.get(policyId);
      if (!rule) continue;
      const from = Math.max(0, (files[rule.file] ?? '').indexOf(rule.text));
      const moved = { ...error, sourceLocations: (error.sourceLocations ?? []).map((each) => ({ ...each, start: each.start + from })) };
      // What is wrong in a word makes the rule impossible too: it is said once.
      if (severity === 'warning' && problems.some(({ rule: id }) => id === rule.id)) continue;
      problems.push({ severity, file: rule.file, line: rule.line, ...lineOf(files[rule.file] ?? '', moved), rule: rule.id, message: wordsOf(error) });
    }
  }
  return problems;
}

/** A hospital may add to the schema. What it takes out, or asks for besides, no question of Aceso's would fit: every one would be refused. */
function unfitSchema(file: string, schema: string): readonly PolicyProblem[] {
  const name = `schema-${revisionOf({ [file]: schema })}`;
  preparseSchema(name, schema);
  preparsePolicySet(name, {});
  const refusals = new Set(everyWord().flatMap((question) => {
    const answer = statefulIsAuthorized({ ...requestOf(question), preparsedSchemaName: name, preparsedPolicySetId: name, validateRequest: true });
    return answer.type === 'failure' ? answer.errors.map(wordsOf) : [];
  }));
  return [...refusals].map((words) => ({ severity: 'error', file, message: `doesn't fit what Aceso asks: ${words}. Add to the schema, and take nothing out of it.` }));
}

/** Questions that use each word that Aceso may ask with. */
function everyWord(): readonly Question[] {
  const organisation = { ...PARTNER, agreements: AGREEMENT_KINDS.map((kind) => ({ kind })) };
  const targets: readonly Target[] = [...ROOM_KINDS.flatMap((kind): readonly Target[] => [{ type: 'room', kind }, { type: 'result', kind, critical: true, labels: LABELS }]), ...RECORDS.map((name) => ({ type: 'records', name }) as const)];
  const isAsked = (action: Action, target: Target): boolean => (action.endsWith('-result') ? target.type === 'result' : action === 'export' || action === 'administer' ? target.type !== 'result' : target.type === 'room');
  return ACTIONS.flatMap((action) => targets.filter((target) => isAsked(action, target)).map((target, index) => ({
    who: { ...asTheyShouldBe(RECIPIENT, organisation), department: 'any', posture: POSTURES[index % POSTURES.length] ?? 'unknown' }, action, target, circumstances: ORDINARY, at: GRID_AT,
  })));
}

/** What may be wrong with somebody's training, devices and log-in: all of it, nothing known, and overdue. */
const LAPSES: readonly ((who: Who) => Who)[] = [
  ({ userId, roles, organisation }) => ({ userId, roles, organisation, posture: 'bad', mfa: false }),
  ({ userId, roles, organisation }) => ({ userId, roles, organisation, posture: 'unknown' }),
  (who) => ({ ...who, trainedAt: as<Millis>(0) }),
];

/**
 * Training and devices must not keep a critical result from its responsible person (product M8, M17): whoever gets it as they should be gets it with an
 * overdue training and unknown devices too, and whatever care teams say: they may come late, or not at all. A rule that says otherwise is made a warning by its author, not by us behind their back.
 */
function keptFromTheResponsible(judge: Judge, roles: readonly string[], rules: readonly PolicyRule[]): readonly PolicyProblem[] {
  const guilty = new Map<string, string>();
  for (const role of roles) for (const organisation of [OWN, PARTNER]) for (const action of ['join', 'read-result', 'accept-result'] as const) {
    const target: Target = action === 'join' ? { type: 'room', kind: 'results' } : { type: 'result', kind: 'results', critical: true, labels: [] };
    const ask = (who: Who, circumstances: Circumstances = ORDINARY): Verdict => judge({ who, action, target, circumstances, at: GRID_AT });
    const who = asTheyShouldBe(role, organisation);
    if (!ask(who).allowed) continue;
    for (const verdict of [...LAPSES.map((lapse) => ask(lapse(who))), ...(action === 'join' ? [] : [ask(who, { ...ORDINARY, inCare: false })])]) if (!verdict.allowed) for (const id of verdict.rules) guilty.set(id, `${action} of ${role}`);
  }
  return [...guilty].map(([id, example]) => {
    const rule = rules.find((each) => each.id === id);
    return { severity: 'error', file: rule?.file ?? 'the folder', ...(rule ? { line: rule.line } : {}), rule: id, message: `keeps a critical result from its responsible person because of training, devices, log-in or care teams (${example}): make it a warning, @effect("warn"), or let it pass where \`context.responsible\`` };
  });
}
