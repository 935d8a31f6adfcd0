/**
 * The contract between Aceso and its bridges: one way in or out each. The host calls the bridge and knows none by name;
 * the bridge hands over what arrived and knows nothing of stores, rooms or people.
 */
import type { Millis, SourceId } from '../domain/brand.ts';
import type { Care } from '../domain/care/care.ts';
import type { ClinicalReport } from '../domain/clinical/report.ts';
import type { ConsentTerms } from '../domain/consent/consent.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Candidate } from '../domain/people/recipient.ts';
import type { Staff, StaffSaid } from '../domain/people/staff.ts';

/** One clinical thing that arrived. PHI: goes to `BridgeHost.receive` and nowhere else. */
export type Arrival = {
  readonly source: SourceId;
  /**
   * What makes it the same again: type, identifier or id and version, and a digest of the content. The host hashes it with a key before
   * it is stored. The same key of the same source is the same fact.
   */
  readonly key: string;
  /** Identifiers a client may ask for with `If-None-Exist`, as `Type?identifier=system|value`. Hashed by the host before they are stored. */
  readonly names: readonly string[];
  /** Whom the data is about, e.g. `mrn-system|value`: names the key that seals it. */
  readonly patientKey: string;
  /** Which report it belongs to: patient and filler number (or the report's identifier, or its id). Later versions share it. */
  readonly reportKey: string;
  readonly report: ClinicalReport;
  /** Bytes of the report's attachments that are to be sent, by the attachment's key. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The FHIR resource that rides inside the message, as JSON text with its decimals as they came; without the bytes of attachments. */
  readonly resource: string;
  readonly resourceType: string;
  readonly candidates: readonly Candidate[];
};

/** What a source says of its staff. The same key of the same source is the same fact. */
export type StaffNews = { readonly key: string; readonly said: StaffSaid };

/** What a source says of who cares for a patient. PHI: the host makes pseudonyms of the names before anything is written. */
export type CareNews = {
  readonly key: string;
  readonly care: Care;
  /** The source's own name of the team. */
  readonly team: string;
  /** The names under which results may have the patient (`Arrival.patientKey`); none, when it is about nobody. */
  readonly patientKeys: readonly string[];
  readonly writtenAt?: Millis;
};

/** What a source says of what a patient consented to. PHI, as with `CareNews`; what it says is sealed besides. */
export type ConsentNews = {
  readonly key: string;
  readonly source: SourceId;
  /** The source's own name of it. */
  readonly consent: string;
  readonly patientKeys: readonly string[];
  /** Absent: it permits and denies nothing, any more or yet. */
  readonly terms?: ConsentTerms;
  readonly writtenAt?: Millis;
};

/** What became of an arrival. `id` is Aceso's logical id of the stored resource. */
export type Receipt = { readonly id: string; readonly version: number; readonly created: boolean };

export type BridgeHost = {
  /**
   * Stores all arrivals in one transaction or none; when it gives a value, they are committed: the bridge may answer 2xx.
   * Fails with `unavailable` (retry) when the store can't take them: the bridge answers 503 with Retry-After.
   */
  receive(arrivals: readonly Arrival[]): Promise<Outcome<readonly Receipt[], 'unavailable'>>;
  /** The same for what is said of staff, of who cares for whom, and of who consented to what: the bridge has made sure that the source may. */
  staff(news: readonly (StaffNews | CareNews | ConsentNews)[]): Promise<Outcome<readonly Receipt[], 'unavailable'>>;
  /** Looks for what was accepted earlier from this source under a name (`Type?identifier=system|value`). */
  find(source: SourceId, name: string): Promise<Outcome<readonly Receipt[], 'unavailable'>>;
  /** Says what became of a request. Codes and counts only: no PHI. */
  observe(event: BridgeEvent): void;
};

/** For a bridge whose clients read back what they said of staff. What is read is what was decided. */
export type StaffDesk = Pick<BridgeHost, 'observe'> & {
  staff(news: readonly StaffNews[]): ReturnType<BridgeHost['staff']>;
  one(source: SourceId, subject: string): Promise<Outcome<Staff | undefined, 'unavailable'>>;
  all(source: SourceId): Promise<Outcome<readonly Staff[], 'unavailable'>>;
};

export type BridgeEvent = { readonly bridge: string; readonly code: string; readonly source?: SourceId; readonly status: number; readonly bytes?: number; readonly durationMs?: number; readonly ids?: readonly string[]; /** Address: becomes a pseudonym before it is kept. */ readonly peer?: string };

export type HttpHead = {
  readonly method: string;
  /** Below the route's prefix, without the query, e.g. `/DiagnosticReport`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path and query as they came, for what was signed with them. */
  readonly uri?: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly peer: Peer;
};

/** Who is at the other end: the connection's own, or what a trusted proxy says of whom it speaks for; never what anybody else says of themselves. */
export type Peer = {
  /** IP address, without zone or port. */
  readonly address: string;
  /** Only one that was verified: its chain leads to the door's client CA, and the client holds its key. */
  readonly certificate?: ClientCertificate;
  /** One was shown that isn't trusted; the code of why, e.g. `CERT_HAS_EXPIRED`. */
  readonly untrusted?: string;
};

export type ClientCertificate = {
  /** SHA-256 of its DER form, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** Distinguished name, most specific part first: `CN=lis,O=Mercy` (RFC 4514). */
  readonly subject: string;
  /** Subject alternative names: `DNS:lis.mercy.example`, `URI:urn:mercy:lis`, `email:…`, `IP:…`. */
  readonly names: readonly string[];
};

/** Who a request comes from. */
export type Caller = {
  readonly source: SourceId;
  readonly way: TrustWay;
  /** What the access token's scopes allow; absent when the credentials say nothing about it. */
  readonly types?: readonly string[];
};

/** `token`: a bearer token given out by the hospital. `smart`: an access token of Aceso's own (SMART Backend Services). `issuer`: one of the hospital's authorization server. */
export type TrustWay = 'token' | 'smart' | 'issuer' | 'certificate';

export type AuthenticationFailure = 'no-credentials' | 'unknown-credentials' | 'expired-credentials' | 'certificate-needed' | 'throttled' | 'unavailable';

/** Finds out who calls, before the body is read. A failure's message is for the caller: it says what to do, and nothing of who might be known. */
export type Authenticator = {
  /** The ways in which at least one source may be trusted: what the CapabilityStatement says. */
  readonly ways: readonly TrustWay[];
  authenticate(head: HttpHead): Promise<Outcome<Caller, AuthenticationFailure>>;
};

export type HttpReply = { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

/** Decided before a byte of the body is read: an answer, or how much may come and who takes it. */
export type Admission = { readonly reply: HttpReply } | Admitted;

export type Admitted = {
  readonly maxBytes: number;
  readonly tooLarge: () => HttpReply;
  /**
   * Where nobody has proven themselves before the body is there: room of its own, beside the route's, taken by the bytes that came and not by those
   * announced; at most `perPeer` of its `bytes` from one address.
   */
  readonly room?: { readonly name: string; readonly bytes: number; readonly perPeer: number };
  /** The answer when the door has as much in hand as it may; 503 without a body when absent. */
  readonly busy?: () => HttpReply;
  readonly take: (body: Uint8Array) => Promise<HttpReply>;
  /** Called once, whatever became of the request: also when its sender went away. */
  readonly done?: () => void;
};

/** An HTTP door. The server that calls it adds no meaning: limits, parsing and answers are the bridge's. */
export type HttpRoute = { readonly prefix: string; admit(head: HttpHead): Promise<Admission> | Admission };

export type Bridge = { readonly name: string; readonly routes: readonly HttpRoute[] };

/** Checks resources against FHIR R4: structure, types, invariants and required bindings. */
export type FhirValidator = {
  /** Empty when valid. Never holds values of the resource: codes, FHIRPath expressions and fixed texts only. */
  validate(resource: unknown): readonly ValidationIssue[];
};

export type ValidationIssue = {
  /** FHIR IssueType, e.g. `structure`, `required`, `code-invalid`, `invariant`. */
  readonly code: 'structure' | 'required' | 'value' | 'invariant' | 'code-invalid' | 'not-supported';
  readonly severity: 'error' | 'warning';
  readonly expression: string;
  readonly diagnostics: string;
};
