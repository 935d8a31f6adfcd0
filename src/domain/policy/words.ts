/** The words in which policies are asked. The schema of the rules (`config/policy/aceso.cedarschema`) knows the same ones. */
export const ACTIONS = ['create', 'join', 'invite', 'send', 'read-result', 'accept-result', 'administer', 'break-glass', 'export'] as const;
export type Action = (typeof ACTIONS)[number];

export const ROOM_KINDS = ['results', 'care-team', 'patient', 'consult', 'on-call', 'shift', 'broadcast', 'direct'] as const;
export type RoomKind = (typeof ROOM_KINDS)[number];

/** What is administered or exported besides rooms. */
export const RECORDS = ['audit', 'configuration', 'directory'] as const;
export type RecordsName = (typeof RECORDS)[number];

/**
 * Security labels that a rule may look at. `part2`: records of a substance use programme (42 CFR Part 2; HL7 ActCode `42CFRPart2`), and of substance use (`ETH` and the like).
 * `restricted`: confidentiality R or V (HL7 v3-Confidentiality).
 */
export const LABELS = ['part2', 'restricted'] as const;
export type Label = (typeof LABELS)[number];

/** Treatment trust between providers needs no business associate contract (45 CFR 160.103, 164.502(e)(1)(ii)); BAA: 164.504(e); QSOA: 42 CFR 2.11. */
export const AGREEMENT_KINDS = ['treatment', 'baa', 'qsoa'] as const;
export type AgreementKind = (typeof AGREEMENT_KINDS)[number];

/** What is known of somebody's devices, all told: signed by their owner, of an age that is allowed, and well by the word of the MDM. */
export const POSTURES = ['good', 'bad', 'unknown'] as const;
export type Posture = (typeof POSTURES)[number];

/** Whoever the directory names without a role: they get their own results, and nothing else. */
export const RECIPIENT = 'recipient';

export const isAction = (word: string): word is Action => ACTIONS.some((known) => known === word);
export const isRoomKind = (word: string): word is RoomKind => ROOM_KINDS.some((known) => known === word);
export const isRecords = (word: string): word is RecordsName => RECORDS.some((known) => known === word);
