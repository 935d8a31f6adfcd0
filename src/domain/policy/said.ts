import type { AuditEntry } from '../decision.ts';
import type { Question } from './question.ts';
import type { Verdict } from './verdict.ts';

/** A verdict as the audit keeps it: who, what, whether, by which rules of which revision. Never PHI. */
export function said({ who, action }: Pick<Question, 'who' | 'action'>, { allowed, revision, rules, message, warnings }: Verdict, about: Readonly<Record<string, string>>): AuditEntry {
  return {
    action: allowed ? 'rules.allowed' : 'rules.refused',
    because: allowed ? `allowed by ${rules.join(' ')}` : message,
    detail: { user: who.userId, asked: action, rules: rules.join(' '), revision, ...(warnings.length > 0 ? { warnings: warnings.join(' ') } : {}), ...about },
  };
}
