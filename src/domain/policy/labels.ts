import type { Label } from './words.ts';

/**
 * The labels of a FHIR resource that rules look at, from `meta.security` (R4 §6.1.3). A bridge puts the labels of everything that it takes into the
 * resource there, so that the strictest counts for the whole (HL7 DS4P, "high water mark"). Its system doesn't matter to a code: each release of FHIR named
 * them otherwise (`http://terminology.hl7.org/CodeSystem/v3-ActCode`, `http://hl7.org/fhir/v3/ActCode`, `urn:oid:2.16.840.1.113883.5.4`), and a label that somebody
 * wrote badly, or under a system of their own, still protects. Sensitivity of substance use (ActCode `ETH`, `ETHUD`, `OPIOIDUD`, `SUD`) counts as Part 2: who labels so can't
 * always say whether a programme under Part 2 made the record.
 */
export function labelsOf(resource: string): readonly Label[] {
  if (!resource.includes('"security"')) return [];
  const { meta } = JSON.parse(resource) as { readonly meta?: { readonly security?: unknown } };
  const codings: readonly unknown[] = Array.isArray(meta?.security) ? meta.security : [];
  return [...new Set(codings.flatMap((coding) => labelOf((typeof coding === 'object' && coding !== null ? (coding as { readonly code?: unknown }) : {}).code) ?? []))].sort();
}

/** Whether a code says 42 CFR Part 2 itself. */
export const isPart2 = (code: string): boolean => /^\s*42\s?CFR\s?Part\s?2/iu.test(code);

export function labelOf(code: unknown): Label | undefined {
  if (typeof code !== 'string') return undefined;
  if (isPart2(code) || /^\s*(?:ETH|ETHUD|OPIOIDUD|SUD)\s*$/iu.test(code)) return 'part2';
  return /^\s*[RV]\s*$/iu.test(code) ? 'restricted' : undefined;
}
