/** What a hospital sets for this bridge. The schema in src/config/ produces these types; defaults are applied here. */
import type { SourceId } from '../../src/domain/brand.ts';
import type { FileType } from '../../src/domain/clinical/attachment.ts';

/** What becomes a delivery. */
export const TAKEN_TYPES = ['DiagnosticReport', 'Observation', 'Communication', 'CommunicationRequest'] as const;
export type TakenType = (typeof TAKEN_TYPES)[number];

/** What explains it: taken in with the bundle that holds it, never stored by itself. */
export const CONTEXT_TYPES = ['Patient', 'Practitioner', 'PractitionerRole', 'ServiceRequest', 'Organization', 'Specimen', 'Encounter', 'Location', 'CareTeam', 'Binary', 'Media', 'DocumentReference'] as const;

/** What changes the directory, of a source that may. A care team and an encounter say who of their people has whom in care. */
export const STAFF_TYPES = ['Practitioner', 'PractitionerRole', 'CareTeam', 'Encounter'] as const;

/** What patients consent to, of a source that may say it. */
export const CONSENT_TYPES = ['Consent'] as const;
export type StaffType = (typeof STAFF_TYPES)[number] | (typeof CONSENT_TYPES)[number];

export type FhirPushConfig = {
  /** Public address of the endpoint, without a slash at the end: `https://aceso.mercy.example/fhir`. Stands in `Location`; default `/fhir`. */
  readonly baseUrl?: string | undefined;
  /**
   * Names the identifier system of a source's own references: `<fhirBaseSystem>:<source id>:fhir` holds `Practitioner/123`.
   * Default `urn:aceso:source`. The directory of people uses the same names.
   */
  readonly fhirBaseSystem?: string | undefined;
  /** Where access tokens are given out, for the CapabilityStatement. */
  readonly tokenUrl?: string | undefined;
  /** Aceso's version, for the CapabilityStatement. */
  readonly softwareVersion?: string | undefined;
  readonly sources: readonly SourceConfig[];
};

export type SourceConfig = {
  readonly id: SourceId;
  readonly name: string;
  readonly resourceTypes: readonly TakenType[];
  /** Absent: what it says of its staff changes nothing. */
  readonly directory?: { readonly types: readonly StaffType[]; /** Where it has Matrix ids: `telecom`, or the system of identifiers. */ readonly matrixId?: string | undefined } | undefined;
  /** Largest request body. Default 5 MiB. */
  readonly maxBytes?: number | undefined;
  /** Largest number of entries in one bundle. Default 500. */
  readonly maxEntries?: number | undefined;
  /** No limit when absent. */
  readonly requestsPerMinute?: number | undefined;
  /** Requests at one time. Default 100. */
  readonly maxInFlight?: number | undefined;
  /** The source's own FHIR base, `https://ehr.mercy.example/r4`: absolute references under it are the source's own. */
  readonly fhirBase?: string | undefined;
  /** The types are those of an access token's scopes: a refusal says so. */
  readonly isScoped?: boolean | undefined;
  readonly identifierSystems?: {
    /** Systems of medical record numbers, the preferred one first. Without: identifier type `MR`, then the first that has no type. */
    readonly patient?: readonly string[] | undefined;
    /** Systems of filler numbers. Without: identifier type `FILL`, then `ACSN`, then the first. */
    readonly filler?: readonly string[] | undefined;
  } | undefined;
  /** Which attachments are sent on. Defaults in attachments/judge.ts; `maxBytes` of each as a file, base64 taken off. `under-base`: what lies below `fhirBase` is fetched later. */
  readonly attachments?: { readonly maxBytes?: number | undefined; readonly maxCount?: number | undefined; readonly types?: readonly FileType[] | undefined; readonly fetches?: 'nothing' | 'under-base' | undefined } | undefined;
};

export const DEFAULT_MAX_BYTES = 5 * 1024 * 1024;
export const DEFAULT_MAX_ENTRIES = 500;
export const DEFAULT_MAX_IN_FLIGHT = 100;
export const DEFAULT_BASE_SYSTEM = 'urn:aceso:source';

export const isTakenType = (type: string): type is TakenType => (TAKEN_TYPES as readonly string[]).includes(type);
export const isStaffType = (type: string): type is StaffType => ([...STAFF_TYPES, ...CONSENT_TYPES] as readonly string[]).includes(type);
/** These come with their patient, and with whom they name, who explain them. */
export const isOfPatient = (type: string): boolean => type === 'CareTeam' || type === 'Encounter' || type === 'Consent';
/** What a bundle that changes the directory may hold. */
export const isAboutStaff = (type: string): boolean => isStaffType(type) || type === 'Organization' || type === 'Location';
export const isContextType = (type: string): boolean => (CONTEXT_TYPES as readonly string[]).includes(type);
