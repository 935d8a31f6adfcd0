import { isIP } from 'node:net';
import { z } from 'zod';
import { ROOM_KINDS } from '../domain/policy/words.ts';

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
  roles: z.array(z.string().regex(/^[a-z][a-z0-9-]*$/u, 'a role of the policy, e.g. physician: `aceso policy roles` lists them')).default([]).describe('Without one they are `recipient`: they get their own results, and nothing else'),
  organisation: z.string().min(1).optional().describe('Whose staff they are, when it isn\'t that of their server: the organisation of a partner'),
  department: z.string().min(1).optional(),
  trained_at: z.iso.date({ error: 'a day, e.g. 2026-09-30' }).optional().describe('Their last security and privacy training'),
  mfa: z.boolean().optional().describe('Whether their account logs in with a second factor'),
  device_posture: z.enum(['good', 'bad', 'unknown']).optional().describe('What device management says of their devices, all told'),
});
const team = z.strictObject({ id: partyId, name: z.string().min(1), members: z.array(userId).min(1), identifiers: z.array(identifier).default([]) });

const agreement = z.strictObject({
  kind: z.enum(['treatment', 'baa', 'qsoa']),
  from: z.iso.date({ error: 'a day, e.g. 2026-01-01' }).optional(),
  until: z.iso.date({ error: 'a day, e.g. 2027-12-31' }).optional().describe('The last day on which it is in force (UTC)'),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/u, 'the SHA-256 of its bearer token, in hex: make a token with `aceso source token`');
const fingerprint = z.string().regex(/^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/u, 'the SHA-256 of the certificate, in hex: `aceso source certificate FILE` shows it');
const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u.test(host);
/** Nobody on the way can read or change what goes there: TLS, or this machine. */
export const isSafe = (text: string): boolean => ((url) => url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))(new URL(text));
const keysUrl = z.url().refine(isSafe, 'an https:// address: who can change the keys on the way can be anybody');
const token = z.strictObject({
  sha256,
  not_after: z.iso.datetime({ offset: true, error: 'an instant, e.g. 2027-01-31T00:00:00Z' }).optional().describe('From then on it counts no more: give a source a new token before, and let both run for a while'),
});
const smart = z.strictObject({
  client_id: z.string().min(1).max(255).describe('iss and sub of its client_assertion'),
  jwks_url: keysUrl.optional().describe('Where its public keys are: it may rotate them by itself'),
  jwks_file: z.string().optional().describe('Its public keys in a file, relative to this one'),
}).refine(({ jwks_url: url, jwks_file: file }) => (url === undefined) !== (file === undefined), 'give jwks_url or jwks_file, one of them');
const certificate = z.union([z.strictObject({ sha256: fingerprint }), z.strictObject({ subject: z.string().min(3) }), z.strictObject({ name: z.string().regex(/^(?:DNS|URI|email|IP):.+$/u) })], { error: 'one of sha256, subject (CN=lis,O=Mercy) and name (DNS:lis.mercy.example): `aceso source certificate FILE` shows all three' });
const issuer = z.strictObject({
  issuer: z.url().describe('iss of its access tokens, exactly'),
  jwks_url: keysUrl,
  audience: z.string().min(1).describe('aud of its access tokens: what it calls Aceso'),
  algorithms: z.array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])).min(1).default(['RS256', 'RS384', 'PS256', 'PS384', 'ES256', 'ES384']),
  claims: z.record(z.string(), z.string()).default({}).describe('Claims that must have these values'),
  client_claim: z.enum(['client_id', 'azp', 'sub']).default('client_id').describe('Which claim names the client'),
  scopes: z.enum(['required', 'optional']).default('required').describe('optional: a token without scopes may send all that its source may'),
});

const tls = z.strictObject({
  certificate: z.string().describe('PEM file: the certificate and what leads to its CA'),
  key: z.string(),
  client_ca: z.string().optional().describe('PEM file: whose client certificates are believed'),
});
const network = z.string().refine((text) => { const [address = '', bits, ...more] = text.split('/'); const family = isIP(address); return family > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/u.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))); }, 'an address or a network, e.g. 10.1.2.3 or 10.1.0.0/16');
const proxies = z.strictObject({
  addresses: z.array(network).min(1),
  secret_sha256: z.string().regex(/^[0-9a-f]{64}$/u, 'the SHA-256, in hex, of what the proxies send as X-Aceso-Proxy').optional(),
  certificate_header: z.enum(['client-cert', 'x-ssl-client-cert']).optional().describe('Where they put the client certificate that they verified: RFC 9440, or nginx\'s $ssl_client_escaped_cert beside X-SSL-Client-Verify'),
});

const serverUrl = z.url().refine(isSafe, 'an https:// address: what Aceso shows there, and what it gets, can be read on the way');
const fetchFiles = z.strictObject({
  token_file: z.string().optional().describe('A file with the bearer token that the server takes'),
  smart: z.strictObject({
    token_url: serverUrl,
    client_id: z.string().min(1),
    key_file: z.string().describe('Private key of Aceso as its client: PKCS #8 in PEM'),
    key_id: z.string().optional().describe('kid of the key in the set that the server knows'),
    algorithm: z.enum(['RS384', 'ES384']).default('ES384'),
    scope: z.string().default('system/Binary.read'),
  }).optional().describe('SMART Backend Services: Aceso gets access tokens there'),
}).refine(({ token_file: file, smart: client }) => file === undefined || client === undefined, 'give token_file or smart, not both');

const code = z.string().regex(/^[^|]*\|[^|]+$/u, 'system|code, e.g. http://nucc.org/provider-taxonomy|207RC0000X');
const role = z.string().regex(/^[a-z][a-z0-9-]*$/u, 'a role of the policy, e.g. physician: `aceso policy roles` lists them');
const scim = z.strictObject({
  matrix_id: z.string().regex(/^@[^:]*\{[A-Za-z.]+\}[^:]*:[A-Za-z0-9.\-:[\]]+$|^\{matrixId\}$/u, 'e.g. "@{userName}:mercy.example", "@{userName.local}:mercy.example" (before its @), or "{matrixId}", which it sends whole').optional().describe('How a Matrix id is made of what it sends. Without it, it names nobody who isn\'t in the directory'),
  identifiers: z.partialRecord(z.enum(['userName', 'externalId', 'employeeNumber', 'npi']), z.string().min(1)).optional().describe('Attributes that are identifiers, and their systems: by these it finds people of the directory'),
});
const feed = z.strictObject({
  roles: z.record(code, z.union([role, z.array(role)])).default({}).describe('PractitionerRole.code as system|code, or group|<displayName> of a SCIM group, and the roles that it gives. A code that isn\'t here gives none. Without any, roles are not this source\'s to say'),
  scim: scim.optional().describe('It is a SCIM 2.0 client (/scim/v2): an identity provider. Codes are group|<displayName> then'),
  organisations: z.record(z.string().min(1), z.string().min(1)).optional().describe('Organization/<id> or system|value, and whose staff they are: this server\'s name, or the organisation of a partner. Without it, that is not this source\'s to say'),
  departments: z.record(z.string().min(1), z.string().min(1)).optional().describe('The same for departments; those that come along as Organization of type dept say their own name'),
  consents: z.boolean().default(false).describe('It may send Consent: what patients permit and deny of records under 42 CFR Part 2 (docs/policy.md). Their recipients are found by organisations, and by what is known of staff'),
  matrix_id: z.string().min(1).optional().describe('Where it has Matrix ids: telecom, or the system of identifiers. Without it, it names nobody who isn\'t in the directory'),
});

const source = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/u, 'lower-case letters, digits and dashes'),
  name: z.string().min(1),
  token_sha256: sha256.optional().describe('One bearer token that never ends; tokens is for several'),
  tokens: z.array(token).default([]),
  smart: smart.optional().describe('SMART Backend Services: it gets access tokens at /auth/token'),
  issued: z.array(z.strictObject({ issuer: z.url(), client_id: z.string().min(1) })).default([]).describe('What it is called in the tokens of authorization.issuers'),
  certificates: z.array(certificate).default([]).describe('Client certificates by which it is known; they need http.tls.client_ca or http.trusted_proxies.certificate_header'),
  certificate: z.enum(['enough', 'beside-tokens']).default('enough').describe('beside-tokens: its tokens count only on a connection with one of its certificates'),
  directory: feed.optional().describe('It may change the directory of staff (docs/directory.md); nothing it says of people does without this'),
  resource_types: z.array(z.enum(['DiagnosticReport', 'Observation', 'Communication', 'CommunicationRequest'])).default(['DiagnosticReport', 'Observation', 'Communication', 'CommunicationRequest']),
  max_bytes: z.int().positive().default(5 * 1024 * 1024),
  max_entries: z.int().positive().default(500),
  requests_per_minute: z.int().positive().optional(),
  max_in_flight: z.int().positive().default(100).describe('Requests at one time'),
  fhir_base: z.url().optional().describe('The source\'s own FHIR base: absolute references under it are its own'),
  identifier_systems: z.strictObject({ patient: z.array(z.string()).optional(), filler: z.array(z.string()).optional() }).optional().describe('Which systems are medical record numbers and filler numbers'),
  attachments: z.strictObject({
    max_bytes: z.int().positive().default(10 * 1024 * 1024).describe('Of one file. The request holds it as base64, four bytes for three: see max_bytes of the source'),
    max_count: z.int().nonnegative().default(10),
    types: z.array(z.enum(['pdf', 'jpeg', 'png', 'tiff', 'cda', 'text'])).default(['pdf', 'jpeg', 'png', 'tiff', 'cda', 'text']),
    fetch: fetchFiles.optional().describe('Files whose bytes did not come along are fetched from the source\'s own server, below fhir_base and nowhere else; without this, nothing is fetched'),
  }).prefault({}).describe('Which attachments are sent on; the message says what is not'),
  pool: partyId.optional().describe('Who gets what names nobody: a person or team of the directory'),
  owner: z.string().min(1).describe('Who answers for what can\'t be delivered, e.g. "Laboratory desk, ext. 4410"'),
});

const policyServer = z.strictObject({
  server_name: serverName.describe('A Matrix server name of its own, e.g. policy.mercy.example: never the homeserver\'s'),
  localpart: z.string().regex(/^[a-z0-9._=-]+$/u).default('policy').describe('Of its one user, who is in every room that it guards'),
  host: z.string().default('127.0.0.1'),
  port: port.default(9103),
  tls: z.strictObject({ certificate: z.string(), key: z.string() }).optional().describe('TLS in this process, with a certificate for server_name; without it, a proxy in front has it'),
  delegate: z.string().regex(/^[A-Za-z0-9.\-[\]:]+$/u).optional().describe('Host and port where other servers reach it, as /.well-known/matrix/server tells; server_name, on 8448 unless it names a port, when left out'),
  federation_url: z.url().optional().describe('Where the homeserver\'s federation API is reached from here; homeserver.url when left out'),
  federation_ca: z.string().optional().describe('PEM file: who signed the certificate of federation_url, when it is no public authority'),
  keys_file: z.string().default('policy-server.json').describe('Its signing keys; made at the first start. The same file on each machine, and a copy apart'),
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
    tls: z.strictObject({ certificate: z.string(), key: z.string() }).optional().describe('TLS of the homeserver\'s door; url begins with https:// then'),
    module_token_file: z.string().optional().describe('A file with the token of the module in the homeserver, which asks before something exists there; without it, nothing is asked'),
  }),
  http: z.strictObject({
    host: z.string().default('127.0.0.1'),
    port: port.default(9101),
    public_url: z.url().optional().describe('What sources call it, e.g. https://aceso.mercy.example'),
    tls: tls.optional().describe('TLS in this process; without it, a proxy in front has it'),
    trusted_proxies: proxies.optional().describe('Proxies whose word about the client counts; from anybody else it is thrown away'),
    max_bytes_in_flight: z.int().min(1024 * 1024).default(64 * 1024 * 1024).describe('Request bodies in hand at one time, over all sources'),
    large_body_threads: z.int().min(0).max(8).default(1).describe('Threads that parse and validate bodies over 256 KiB, so that the door goes on answering; each takes 200 MB and more while there is such work'),
  }).prefault({}),
  operations: z.strictObject({
    host: z.string().default('127.0.0.1').describe('Plain HTTP, and nobody has to prove themselves: for this machine, or the network of the monitoring'),
    port: port.default(9102),
  }).prefault({}).describe('Where health and figures are asked: /healthz, /readyz, /metrics'),
  authorization: z.strictObject({
    token_seconds: z.int().min(30).max(300).default(300).describe('Life of an access token from /auth/token'),
    issuers: z.array(issuer).default([]).describe('Authorization servers of the hospital whose access tokens count'),
  }).prefault({}),
  courier: z.strictObject({
    display_name: z.string().optional(),
    device_id: z.string().regex(/^[A-Z0-9]{4,32}$/u).default('ACESOCOURIER'),
    devices: z.int().min(1).max(64).default(1).describe('How many encrypting devices share the rooms: more than one when one is not enough, or for several workers. Lowered, those that are none any more are kept until nothing waits for them'),
    takeover_seconds: z.number().positive().default(30).describe('A device whose machine is lost is followed by a new one after this long; one whose store is still there at once'),
    unsigned_devices: z.enum(['withhold', 'allow']).default('withhold').describe('Whether devices that their owner has not signed get keys'),
    keep_days: z.int().min(14).max(3650).default(30).describe('How long the courier keeps keys of rooms that were changed since, marks of messages between devices, and its journal of what was sent. Longer than the rotation period of the rooms'),
    changed_identities: z.enum(['hold', 'accept']).default('hold').describe('What is for a person whose cryptographic identity is not the one seen first: hold it until somebody confirmed it (`aceso people accept`), or take the new one as theirs'),
  }).prefault({}),
  policy_server: policyServer.optional().describe('A policy server of Aceso\'s own: what must not federate is refused before it does. Off without it'),
  delivery: z.strictObject({
    when_server_away: z.enum(['hold', 'send']).default('hold').describe('A recipient\'s server does not answer: hold the message, or send it for the devices known last'),
  }).prefault({}),
  partners: z.array(z.strictObject({ server_name: serverName, name: z.string().min(1), room_version: roomVersion.optional(),
    organisation: z.string().min(1).optional().describe('Its name in people\'s organisation; the server name when left out'),
    agreements: z.array(agreement).default([{ kind: 'treatment' }]).describe('Without it, treatment trust without an end: that is what a partner is named for'),
  })).default([]),
  agreements: z.strictObject({
    required: z.boolean().default(false).describe('Only signed agreements count (`aceso agreements`). Without it, partners of this file that have none are trusted by this file'),
    key_file: z.string().default('agreements-key.json').describe('The key by which this hospital signs; made by `aceso agreements key`. Back it up apart from the data: what it signed is of no use without it'),
  }).prefault({}),
  sources: z.array(source).default([]),
  recipients: z.strictObject({ order: z.array(z.enum(['addressed', 'requester', 'attending', 'covering', 'pool'])).min(1).default(['addressed', 'requester', 'attending', 'covering', 'pool']) }).prefault({}),
  invitations: z.strictObject({ patience_minutes: z.number().positive().default(15) }).prefault({}),
  directory: z.strictObject({ people: z.array(person).default([]), teams: z.array(team).default([]) }).prefault({}),
  templates_dir: z.string().default('templates'),
  policy_dir: z.string().optional().describe('The hospital\'s own rules (`aceso policy init`); without it, those that come with Aceso'),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

export type Config = z.infer<typeof configSchema>;
export type PersonConfig = z.infer<typeof person>;
export type TeamConfig = z.infer<typeof team>;

export const templateSchema = z.strictObject({
  id: z.enum(ROOM_KINDS).describe('The kind of room that the policy is asked about'),
  room_version: roomVersion,
  name: z.string().min(1),
  topic: z.string().default(''),
  federation: z.enum(['agreed', 'local']).default('agreed').describe('agreed: the servers of its members, each with an agreement; local: never federated'),
  senders: z.enum(['members', 'permitted']).default('members').describe('Who may write: every member, or those whom the policy lets send in such a room'),
  history_visibility: z.enum(['invited', 'joined']),
  reactions: z.array(z.string().min(1).max(16)).default(['👍', '👎', '✅', '❌', '👀', '🙏', '❤', '🎉', '😄', '😕', '🚀']).describe('Emoji that people may react with: reactions are not encrypted, so that the policy server refuses others'),
  removals: z.enum(['own', 'never']).default('own').describe('Whether people may take out their own messages; never: the policy server refuses it'),
  encryption: z.strictObject({ rotation_period_ms: z.int().min(3_600_000), rotation_period_msgs: z.int().min(1).max(10_000) }),
});

export type TemplateConfig = z.infer<typeof templateSchema>;
