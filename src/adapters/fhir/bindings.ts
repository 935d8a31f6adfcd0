/** Required bindings: "the concept in this element SHALL be from the specified value set" (FHIR R4 §4.1.5 Terminology, "required"). */
import type { CodeSet } from './valueSets.ts';

type Json = Readonly<Record<string, unknown>>;

/** What is wrong with a bound value, in fixed words and allowed codes; undefined when nothing is, or when the set can't be listed. */
export const bindingIssue = (value: unknown, type: string, allowed: CodeSet | undefined): string | undefined => {
  if (allowed === undefined) return undefined;
  switch (type) {
    case 'code':
    case 'string':
    case 'uri':
      return typeof value !== 'string' || allowed.codes.has(value) ? undefined : listing(allowed);
    case 'Coding':
    case 'Quantity':
      return isAllowed(value, allowed) ? undefined : listing(allowed);
    case 'CodeableConcept': {
      const coding = (value as Json)['coding'];
      return Array.isArray(coding) && coding.some((each) => isAllowed(each, allowed)) ? undefined : listing(allowed);
    }
    default:
      return undefined;
  }
};

const isAllowed = (coding: unknown, allowed: CodeSet): boolean => {
  if (typeof coding !== 'object' || coding === null) return false;
  const { system, code } = coding as Json;
  return typeof system === 'string' && typeof code === 'string' && allowed.has(system, code);
};

const SHOWN = 24;
const listing = ({ codes }: CodeSet): string =>
  codes.size <= SHOWN ? `The code is not one of: ${[...codes].join(', ')}.` : `The code is not one of the ${codes.size} that FHIR R4 allows here.`;
