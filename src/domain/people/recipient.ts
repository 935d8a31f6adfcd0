/** A business identifier as FHIR writes it. For staff and organisations only: these are not PHI. */
export type Identifier = { readonly system: string; readonly value: string };

/** The system of US National Provider Identifiers. */
export const NPI = 'http://hl7.org/fhir/sid/us-npi';

/** How a recipient was found. The order in which these are tried is the hospital's (`recipients.order` in the configuration). */
export type RecipientRule = 'requester' | 'attending' | 'covering' | 'pool' | 'addressed';

/** Somebody that the data names as responsible. `performer` and `resultsInterpreter` never become one: they are the reporters. */
export type Candidate = {
  readonly rule: RecipientRule;
  /** Any of these finds the person; e.g. NPI, a local staff number, or `Practitioner/123` under the source's own system. */
  readonly identifiers: readonly Identifier[];
};
