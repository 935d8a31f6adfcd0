import { z } from 'zod';

/**
 * The configuration of a hospital: one schema gives the types, the JSON Schema (`aceso config schema`) and the checks. Unknown keys are
 * refused: a misspelt limit must not be a limit that isn't there.
 */
const port = z.int().min(0).max(65_535);
const serverName = z.string().regex(/^[A-Za-z0-9.\-:[\]]+$/u, 'a Matrix server name, e.g. mercy.example');
const userId = z.string().regex(/^@[^:\s]+:[A-Za-z0-9.\-:[\]]+$/u, 'a Matrix user id, e.g. @ada:mercy.example');
const partyId = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/u, 'lower-case letters, digits, dots and dashes, e.g. dr-okafor');
const roomVersion = z.enum(['10', '11', '12']);

const identifier = z.strictObject({ system: z.string().min(1), value: z.string().min(1) });
const person = z.strictObject({
  id: partyId.describe('Short name of the person within Aceso'),
  name: z.string().min(1),
  user_id: userId,
  npi: z.string().regex(/^\d{10}$/u, 'ten digits').optional(),
  identifiers: z.array(identifier).default([]).describe('Staff numbers and FHIR references by which sources name this person'),
});
const team = z.strictObject({ id: partyId, name: z.string().min(1), members: z.array(userId).min(1), identifiers: z.array(identifier).default([]) });

const source = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/u, 'lower-case letters, digits and dashes'),
  name: z.string().min(1),
  token_sha256: z.string().regex(/^[0-9a-f]{64}$/u, 'the SHA-256 of its bearer token, in hex: make a token with `aceso source token`'),
  resource_types: z.array(z.enum(['DiagnosticReport', 'Observation', 'Communication', 'CommunicationRequest'])).min(1).default(['DiagnosticReport', 'Observation', 'Communication', 'CommunicationRequest']),
  max_bytes: z.int().positive().default(5 * 1024 * 1024),
  max_entries: z.int().positive().default(500),
  requests_per_minute: z.int().positive().optional(),
  fhir_base: z.url().optional().describe('The source\'s own FHIR base: absolute references under it are its own'),
  identifier_systems: z.strictObject({ patient: z.array(z.string()).optional(), filler: z.array(z.string()).optional() }).optional().describe('Which systems are medical record numbers and filler numbers'),
  pool: partyId.optional().describe('Who gets what names nobody: a person or team of the directory'),
  owner: z.string().min(1).describe('Who answers for what can\'t be delivered, e.g. "Laboratory desk, ext. 4410"'),
});

export const configSchema = z.strictObject({
  organisation: z.strictObject({ name: z.string().min(1) }),
  data_dir: z.string().default('data').describe('Where Aceso keeps its databases; relative to this file'),
  keys_file: z.string().default('keys.json').describe('Key-encryption key; make it with `aceso init`, back it up apart from the data'),
  store: z.strictObject({ postgres_url_file: z.string().optional().describe('A file with a postgres:// address; without it, SQLite in data_dir') }).prefault({}),
  homeserver: z.strictObject({ url: z.url(), server_name: serverName }),
  appservice: z.strictObject({
    id: z.string().default('aceso'),
    prefix: z.string().regex(/^[a-z0-9._=-]+$/u).default('aceso_'),
    registration_file: z.string().default('registration.yaml'),
    url: z.url().describe('Where the homeserver reaches Aceso'),
    host: z.string().default('127.0.0.1'),
    port: port.default(9100),
  }),
  http: z.strictObject({ host: z.string().default('127.0.0.1'), port: port.default(9101), public_url: z.url().optional().describe('What sources call it, e.g. https://aceso.mercy.example') }).prefault({}),
  courier: z.strictObject({
    display_name: z.string().optional(),
    device_id: z.string().regex(/^[A-Z0-9]{4,32}$/u).default('ACESOCOURIER'),
    unsigned_devices: z.enum(['withhold', 'allow']).default('withhold').describe('Whether devices that their owner has not signed get keys'),
  }).prefault({}),
  partners: z.array(z.strictObject({ server_name: serverName, name: z.string().min(1), room_version: roomVersion.optional() })).default([]),
  sources: z.array(source).default([]),
  recipients: z.strictObject({ order: z.array(z.enum(['addressed', 'requester', 'attending', 'covering', 'pool'])).min(1).default(['addressed', 'requester', 'attending', 'covering', 'pool']) }).prefault({}),
  invitations: z.strictObject({ patience_minutes: z.number().positive().default(15) }).prefault({}),
  directory: z.strictObject({ people: z.array(person).default([]), teams: z.array(team).default([]) }).prefault({}),
  templates_dir: z.string().default('templates'),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

export type Config = z.infer<typeof configSchema>;
export type PersonConfig = z.infer<typeof person>;
export type TeamConfig = z.infer<typeof team>;

export const templateSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]*$/u),
  room_version: roomVersion,
  name: z.string().min(1),
  topic: z.string().default(''),
  history_visibility: z.enum(['invited', 'joined']),
  encryption: z.strictObject({ rotation_period_ms: z.int().min(3_600_000), rotation_period_msgs: z.int().min(1).max(10_000) }),
});

export type TemplateConfig = z.infer<typeof templateSchema>;
