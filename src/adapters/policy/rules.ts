import { policySetTextToParts, policyToJson, type DetailedError, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyFiles } from './files.ts';

/** `error`: the policy is not loaded. `warning`: it is, and can hardly be meant. */
export type PolicyProblem = { readonly severity: 'error' | 'warning'; readonly file: string; readonly line?: number; readonly rule?: string; readonly message: string };

export type PolicyRule = {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** Says something and refuses nothing (`@effect("warn")`). */
  readonly warns: boolean;
  readonly cites: readonly string[];
  /** For whoever is refused or warned: why, and what to do. */
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly json: PolicyJson;
};

/** Controls of HIPAA (`308(a)(4)`: 45 CFR 164.308(a)(4)), a section of the CFR, or a named standard. */
const CITATION = /^(?:\d{3}(?:\([a-z0-9]+\))*|\d+ (?:CFR|USC) [\d.a-z]+(?:\([a-z0-9]+\))*|(?:TJC|CAP|ACR|CMS|NIST|ISO|FD&C|state|policy) \S.*)$/u;

const RESERVED: ReadonlySet<string> = new Set(['default-deny', 'policy-error']);

/** The rules of all files, and what is wrong with how each is written. */
export function rulesIn(files: PolicyFiles): { readonly rules: readonly PolicyRule[]; readonly problems: readonly PolicyProblem[] } {
  const rules: PolicyRule[] = [];
  const problems: PolicyProblem[] = [];
  for (const [file, text] of Object.entries(files)) {
    if (!file.endsWith('.cedar')) continue;
    const parts = policySetTextToParts(text);
    if (parts.type === 'failure') {
      problems.push(...parts.errors.map((error) => ({ severity: 'error', file, ...lineOf(text, error), message: wordsOf(error) }) as const));
      continue;
    }
    if (parts.policy_templates.length > 0) problems.push({ severity: 'error', file, message: 'has a template (?principal or ?resource): write a rule for whom it is about' });
    for (const part of parts.policies) {
      const rule = ruleOf(file, text, part);
      rules.push(rule);
      problems.push(...flawsOf(rule, rules));
    }
  }
  return { rules: rules.sort((one, other) => (one.id < other.id ? -1 : 1)), problems };
}

function ruleOf(file: string, text: string, part: string): PolicyRule {
  const parsed = policyToJson(part);
  if (parsed.type === 'failure') throw new Error(`Cedar took a rule of ${file} and can't read it`);
  const { annotations = {}, effect } = parsed.json;
  const line = lineAt(text, Math.max(0, text.indexOf(part)));
  return {
    id: annotations['id'] ?? '', effect, warns: annotations['effect'] === 'warn', cites: (annotations['cite'] ?? '').split(',').map((each) => each.trim()).filter((each) => each !== ''),
    message: annotations['message'] ?? '', file, line, text: part, json: parsed.json,
  };
}

const KNOWN_ANNOTATIONS: ReadonlySet<string> = new Set(['id', 'cite', 'message', 'effect']);

function flawsOf(rule: PolicyRule, all: readonly PolicyRule[]): readonly PolicyProblem[] {
  const { id, file, line, cites, message, effect, warns, json: { annotations = {} } } = rule;
  const flaws: string[] = [];
  if (!/^[a-z][a-z0-9-]{2,62}$/u.test(id)) flaws.push(id === '' ? 'has no @id("…"): every decision names the rules that made it' : `@id("${id}"): lower-case letters, digits and dashes, e.g. billing-never-in-clinical-rooms`);
  if (RESERVED.has(id)) flaws.push(`@id("${id}") is a name of Aceso's own`);
  const twin = all.find((other) => other !== rule && other.id === id && id !== '');
  if (twin) flaws.push(`@id("${id}") is also the name of a rule in ${twin.file}:${twin.line}`);
  if (cites.length === 0) flaws.push('has no @cite("…"): name the control or regulation that it answers, e.g. @cite("308(a)(4)")');
  for (const cite of cites) if (!CITATION.test(cite)) flaws.push(`@cite("${cite}") is neither a control (308(a)(4)), a section (42 CFR 2.31) nor a named standard (CAP COM.30000, policy P-12)`);
  if (effect === 'forbid' && message === '') flaws.push('has no @message("…"): say in plain words what whoever is refused can do');
  if (annotations['effect'] !== undefined && !warns) flaws.push(`@effect("${annotations['effect']}"): only "warn" there is`);
  if (warns && effect === 'permit') flaws.push('@effect("warn") is for a forbid: write what is not as it should be');
  for (const name of Object.keys(annotations)) if (!KNOWN_ANNOTATIONS.has(name)) flaws.push(`@${name} is not known: there are ${[...KNOWN_ANNOTATIONS].map((each) => `@${each}`).join(', ')}`);
  return flaws.map((flaw) => ({ severity: 'error', file, line, ...(id === '' ? {} : { rule: id }), message: flaw }));
}

/** What Cedar says, with its hint. It quotes the rule, never a person. */
export const wordsOf = ({ message, help, sourceLocations = [] }: DetailedError): string => [message.replace(/^for policy `[^`]*`[:,] /u, ''), ...(help === null ? [] : [help]), ...sourceLocations.flatMap(({ label }) => (label === null ? [] : [label]))].join('; ');

export const lineOf = (text: string, { sourceLocations = [] }: DetailedError): { readonly line?: number } => (sourceLocations[0] === undefined ? {} : { line: lineAt(text, sourceLocations[0].start) });

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
