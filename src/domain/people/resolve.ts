import type { Context, Lookup } from '../decision.ts';
import { identifierName, type Party } from './party.ts';
import type { Candidate } from './recipient.ts';

export const lookupsOf = (candidates: readonly Candidate[]): readonly Lookup[] => [...new Set(candidates.flatMap(({ identifiers }) => identifiers.map(identifierName)))].map((name) => ({ kind: 'party', name }));

export type Resolution = { readonly parties: readonly { readonly party: Party; readonly rule: string }[] } | { readonly why: string };

/**
 * Whom a result is for: the first rule, in the hospital's order, that names somebody the directory knows. Never guessed: an identifier
 * finds a party exactly or not at all, and one candidate whose identifiers lead to different parties leads nowhere.
 */
export function resolve(candidates: readonly Candidate[], { settings, found }: Context): Resolution {
  const reasons: string[] = [];
  for (const rule of settings.recipientOrder) {
    const named = candidates.filter((candidate) => candidate.rule === rule);
    if (named.length === 0) {
      reasons.push(`${rule}: not named`);
      continue;
    }
    const parties = new Map<string, Party>();
    for (const { identifiers } of named) {
      const hits = new Map(identifiers.flatMap((identifier) => {
        const party = found.get(identifierName(identifier))?.state as Party | undefined;
        return party ? [[party.id, party] as const] : [];
      }));
      if (hits.size === 0) reasons.push(`${rule}: named, but not in the directory`);
      else if (hits.size > 1) reasons.push(`${rule}: its identifiers belong to different people`);
      else for (const [id, party] of hits) parties.set(id, party);
    }
    if (parties.size > 0) return { parties: [...parties.values()].map((party) => ({ party, rule })) };
  }
  return { why: `nobody responsible could be found (${[...new Set(reasons)].join('; ')})` };
}
