import type { Label } from './words.ts';

const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';

/**
 * The labels of a FHIR resource that rules look at, from `meta.security` (R4 §6.1.3). A bridge puts the labels of everything that it takes into the
 * resource there, so that the strictest counts for the whole (HL7 DS4P, "high water mark"). Codes count without their system too: a label that
 * somebody wrote badly still protects.
 */
export function labelsOf(resource: string): readonly Label[] {
  if (!resource.includes('"security"')) return [];
  const { meta } = JSON.parse(resource) as { readonly meta?: { readonly security?: unknown } };
  const codings: readonly unknown[] = Array.isArray(meta?.security) ? meta.security : [];
  return [...new Set(codings.flatMap(labelOf))].sort();
}

function labelOf(coding: unknown): readonly Label[] {
  const { system, code } = (typeof coding === 'object' && coding !== null ? coding : {}) as { readonly system?: unknown; readonly code?: unknown };
  if (typeof code !== 'string') return [];
  if ((system === undefined || system === ACT_CODE) && /^42CFRPart2/iu.test(code)) return ['part2'];
  return (system === undefined || system === CONFIDENTIALITY) && /^[RV]$/u.test(code) ? ['restricted'] : [];
}
