import { z } from 'zod';
import { as, type ServerName, type UserId } from '../../domain/brand.ts';
import { SCOPES, type Keepers, type Signatures, type Terms } from '../../domain/agreements/terms.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import { AGREEMENT_KINDS, ROOM_KINDS } from '../../domain/policy/words.ts';
import { verifySignature, type Signed } from './agreementSignature.ts';

const SERVER = /^[A-Za-z0-9.\-:[\]]{1,230}$/u;
const isOf = (userId: string, server: string): boolean => userId.slice(userId.indexOf(':') + 1) === server;
const day = z.iso.date({ error: 'a day, e.g. 2027-12-31' });
const party = z.strictObject({ server: z.string().regex(SERVER, 'a Matrix server name'), name: z.string().min(1).max(200) });
const revision = z.string().regex(/^[0-9a-f]{12,64}$/u, 'the revision of a policy');
const kindTerms = z.strictObject({
  reactions: z.array(z.string().min(1).max(16)).max(100), removals: z.enum(['own', 'never']), senders: z.array(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/u, 'a role')).max(100).optional(),
}).transform(({ senders, ...asks }) => (senders === undefined ? asks : { ...asks, senders }));
const user = z.string().max(255).regex(/^@[a-z0-9._=/+-]+:[A-Za-z0-9.\-:[\]]+$/u, 'a Matrix user id').transform((id) => as<UserId>(id));
const policyServer = z.strictObject({ serverName: z.string().regex(SERVER, 'a Matrix server name').transform((name) => as<ServerName>(name)), userId: user, publicKey: z.string().regex(/^[A-Za-z0-9+/]{43}$/u, 'a public key') })
  .refine(({ serverName, userId }) => isOf(userId, serverName), 'policyServer.userId: it is of another server');
const keepers = z.strictObject({ guardian: user, courier: user, policyServer }).refine(({ guardian, courier }) => guardian !== courier, 'keepers: guardian and courier are the same');
const demands = z.strictObject({ server: z.string(), policy: revision, kinds: z.partialRecord(z.enum(ROOM_KINDS), kindTerms), keepers: keepers.optional() })
  .refine(({ server, keepers: named }) => named === undefined || (isOf(named.guardian, server) && isOf(named.courier, server) && named.policyServer.serverName !== server), 'keepers: guardian and courier are of the party\'s own server, the policy server of another')
  .transform(({ keepers: named, ...asks }) => (named === undefined ? asks : { ...asks, keepers: named }));
const terms = z.strictObject({
  id: z.string().regex(/^ag_[0-9a-f]{32}$/u), kind: z.enum(AGREEMENT_KINDS), parties: z.tuple([party, party]), scope: z.array(z.enum(SCOPES)).min(1),
  from: day, until: day, policy: revision, rooms: z.array(demands).max(2).optional(),
}).transform(({ rooms, ...agreed }) => (rooms === undefined ? agreed : { ...agreed, rooms })).refine(({ from, until }) => from <= until, 'it ends before it begins').refine(({ parties: [one, other] }) => one.server !== other.server, 'both parties are the same')
  .refine(({ parties, ...agreed }) => isOfEach('rooms' in agreed ? agreed.rooms : [], parties), 'rooms: what is asked is by one of the parties, once')
  .refine(({ parties, ...agreed }) => isByNamesOfTheirOwn('rooms' in agreed ? agreed.rooms : [], parties), 'keepers: a policy server has a name of its own, that of neither party and not the other\'s');
const document = z.strictObject({ format: z.literal(1), terms, signatures: z.array(z.string().max(65_536)).max(2) });

const isOfEach = (asked: readonly { readonly server: string }[], parties: readonly { readonly server: string }[]): boolean =>
  asked.every(({ server }) => parties.some((each) => each.server === server)) && new Set(asked.map(({ server }) => server)).size === asked.length;

/** One by the name of somebody else would be let into rooms, and asked, in their stead. */
function isByNamesOfTheirOwn(asked: readonly { readonly server: string; readonly keepers?: Keepers | undefined }[], parties: readonly { readonly server: string }[]): boolean {
  const names = [...parties.map(({ server }) => server), ...asked.flatMap(({ keepers: named }) => (named ? [named.policyServer.serverName] : []))].map((name) => name.toLowerCase());
  return new Set(names).size === names.length;
}

/** An agreement on its way between two hospitals: what they agree on, and the signatures that it has so far. */
export type AgreementDocument = { readonly terms: Terms; readonly signatures: readonly string[] };

export type Signature = Signed & { readonly jws: string };

/** Reads a file's text. What is wrong with it is said without quoting it. */
export function readAgreement(text: string): Outcome<AgreementDocument, 'not-an-agreement'> {
  try {
    const parsed = document.safeParse(JSON.parse(text));
    if (parsed.success) return ok(parsed.data);
    return fail('not-an-agreement', `it is no agreement: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}. Make one with \`aceso agreements draft\``);
  } catch {
    return fail('not-an-agreement', 'it is not JSON. Make an agreement with `aceso agreements draft`');
  }
}

export const writeAgreement = ({ terms: agreed, signatures }: AgreementDocument): string => `${JSON.stringify({ format: 1, terms: agreed, signatures }, null, 2)}\n`;

/** Its signatures, by server. Fails with the first that is wrong, is of nobody whom it is between, or is there twice. */
export async function signaturesOf({ terms: agreed, signatures }: AgreementDocument): Promise<Outcome<ReadonlyMap<string, Signature>>> {
  const found = new Map<string, Signature>();
  for (const jws of signatures) {
    const verified = await verifySignature(jws, agreed);
    if (!verified.ok) return verified;
    const { server } = verified.value;
    if (!agreed.parties.some((each) => each.server === server)) return fail('other-party', `${server} signed it, and is none of its parties`);
    if (found.has(server)) return fail('signed-twice', `${server} signed it twice`);
    found.set(server, { ...verified.value, jws });
  }
  return ok(found);
}

export type GenuineParts = { readonly ownServer: string; /** Thumbprint of the hospital's own key. */ readonly ownKey: string; readonly partner: string; readonly partnerKey: string };

/** Whether both signed these terms, each by the key that is theirs. */
export async function checkGenuine(agreed: Terms, { own, partner }: Signatures, parts: GenuineParts): Promise<Outcome<void>> {
  const signed = await signaturesOf({ terms: agreed, signatures: [own, partner] });
  if (!signed.ok) return signed;
  const keyOf = (server: string): string | undefined => signed.value.get(server)?.key;
  if (keyOf(parts.ownServer) !== parts.ownKey) return fail('own-key', 'it is not signed by this hospital\'s own key as it is now: sign it anew');
  if (keyOf(parts.partner) !== parts.partnerKey) return fail('partner-key', `it is not signed by the key that is pinned for ${parts.partner}: ask them to sign it anew`);
  return ok(undefined);
}
