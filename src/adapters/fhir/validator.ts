/** `FhirValidator` on Medplum's R4 definitions: structure, types and invariants by Medplum, the rest by elements.ts. */
import type { FhirValidator, ValidationIssue } from '../../ports/bridge.ts';
import { loadDefinitions } from './definitions.ts';
import type { Definitions } from './definitions.ts';
import { walkResource } from './elements.ts';
import { fromMedplum } from './issues.ts';

/** Larger than any request that is let in, so that the request's own limit decides. */
const MAX_ATTACHMENT_BYTES = 64 * 1024 * 1024;

/** Loads the definitions: about a second and 200 MB, once per process. docs: README.md of this folder. */
export const createFhirValidator = async (): Promise<FhirValidator> => {
  const definitions = await loaded();
  const { validateResource } = await import('@medplum/core');
  const medplum = (resource: unknown): readonly ValidationIssue[] => {
    try {
      validateResource(resource as Parameters<typeof validateResource>[0], { base64BinaryMaxBytes: MAX_ATTACHMENT_BYTES });
      return [];
    } catch (error) {
      return thrown(error, definitions);
    }
  };
  return {
    validate: (resource) => {
      const { issues, hasShape } = walkResource(resource, definitions);
      const said = new Set(issues.map(({ expression }) => expression));
      const more = hasShape ? medplum(resource).filter(({ expression }) => !said.has(expression)) : [];
      return [...issues, ...more];
    },
  };
};

let loading: Promise<Definitions> | undefined;
const loaded = (): Promise<Definitions> => (loading ??= loadDefinitions());

/** Medplum throws its findings; anything else it throws means that it couldn't read the resource, which is then no valid one. */
const thrown = (error: unknown, { isElementName }: Definitions): readonly ValidationIssue[] => {
  const outcome = (error as { readonly outcome?: { readonly issue?: readonly Parameters<typeof fromMedplum>[0][] } } | undefined)?.outcome;
  const found = (outcome?.issue ?? []).map((each) => fromMedplum(each, isElementName)).filter((issue) => issue !== undefined);
  if (found.length > 0 || outcome !== undefined) return found;
  return [{ severity: 'error', code: 'structure', expression: 'Resource', diagnostics: 'This could not be read as a FHIR R4 resource.' }];
};
