import type { ReportAttachment } from './attachment.ts';

/**
 * What a clinician must be told, taken out of whatever brought it (FHIR R4 today, HL7 v2 later), in FHIR's words.
 * Everything here is PHI: it travels in `Sealed<ClinicalReport>` only. Texts are shown as they came; nothing is rounded or converted.
 * Content follows 42 CFR 493.1291(c): patient, laboratory with address, report date, test, specimen and its condition, result, units, interpretation.
 */
export type ClinicalReport = {
  /** `result`: DiagnosticReport or Observation. `message`: Communication or CommunicationRequest. */
  readonly kind: 'result' | 'message';
  readonly status: ReportStatus;
  readonly priority: 'routine' | 'urgent' | 'asap' | 'stat';
  readonly patient: PatientIdentity;
  /** Name of the panel or the subject of the message, e.g. `Basic metabolic panel`. */
  readonly title: string;
  readonly observations: readonly ObservationLine[];
  /** Free text of the report: conclusion, narrative payload of a message. */
  readonly conclusion?: string;
  readonly notes: readonly string[];
  readonly orderer?: string;
  readonly specimens: readonly SpecimenLine[];
  /** FHIR dateTime/instant as it came, with its offset, e.g. `2026-11-24T08:15:00-05:00`. */
  readonly collectedAt?: string;
  readonly reportedAt?: string;
  readonly laboratory?: Organisation;
  /** Who reported, for display: never a recipient. */
  readonly reporters: readonly string[];
  /** Filler number (accession) as the laboratory shows it. */
  readonly fillerNumber?: string;
  /** Files that came with it, in its order; each key once. */
  readonly attachments?: readonly ReportAttachment[];
};

/** FHIR R4 DiagnosticReport.status; Communication statuses are mapped onto it (`completed` → `final`, `entered-in-error` as is, …). */
export type ReportStatus = 'registered' | 'partial' | 'preliminary' | 'final' | 'amended' | 'corrected' | 'appended' | 'cancelled' | 'entered-in-error' | 'unknown';

export type PatientIdentity = {
  readonly name: string;
  /** `YYYY-MM-DD` or less. */
  readonly birthDate?: string;
  readonly sex?: string;
  readonly mrn?: { readonly value: string; /** Assigning authority, by display or by system. */ readonly authority: string };
};

export type ObservationLine = {
  /** What the observation is about within the report: specimen and code (system|code). Values of one key replace each other. */
  readonly key: string;
  readonly name: string;
  /** LOINC or local code, for display behind the name where useful. */
  readonly code?: string;
  readonly status: ReportStatus;
  /** As it came: comparator, value, unit separate, so that `<0.010` keeps its digits. Absent when the result is missing. */
  readonly value?: { readonly comparator?: string; readonly text: string; readonly unit?: string };
  /** Why there is no value (`dataAbsentReason`). */
  readonly absent?: string;
  readonly interpretation?: Interpretation;
  readonly referenceRange?: string;
  readonly notes: readonly string[];
  /** Specimen of this line where the lines of a panel differ. */
  readonly specimen?: string;
  readonly observedAt?: string;
};

/** HL7 v3 ObservationInterpretation. `critical` is what the laboratory itself says: HH, LL, AA. */
export type Interpretation = { readonly code: string; readonly text: string; readonly level: 'critical' | 'abnormal' | 'normal' };

export type SpecimenLine = {
  readonly type: string;
  /** e.g. `haemolysed` (Specimen.condition, or a note of the specimen). */
  readonly condition: readonly string[];
  readonly accession?: string;
};

export type Organisation = { readonly name: string; readonly address?: string; readonly phone?: string };

export const isCritical = (line: ObservationLine): boolean => line.interpretation?.level === 'critical';

/** A status that says that what was told before no longer holds (42 CFR 493.1291(k)). */
export const isCorrection = (status: ReportStatus): boolean => status === 'corrected' || status === 'amended' || status === 'entered-in-error' || status === 'cancelled';
