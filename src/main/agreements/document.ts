import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readAgreement, signaturesOf, writeAgreement, type AgreementDocument, type Signature } from '../../adapters/auth/agreementFile.ts';
import { hasAgreementKey, makeAgreementKey, readAgreementKey } from '../../adapters/auth/agreementKey.ts';
import { signTerms } from '../../adapters/auth/agreementSignature.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { isSameDemand } from '../../domain/agreements/demands.ts';
import type { Register } from '../../domain/agreements/register.ts';
import { byServer, endOf, partnerIn, type RoomDemands, type Terms } from '../../domain/agreements/terms.ts';
import { intersectionOf, type RoomTerms } from '../../domain/policy/roomTerms.ts';
import { AGREEMENT_KINDS } from '../../domain/policy/words.ts';
import type { Printed } from '../print.ts';
import { configuredDemands } from './roomDemands.ts';

export const keyPath = ({ at, agreements }: LoadedConfig): string => at(agreements.key_file);

/** Shows the hospital's key; makes it when there is none. */
export async function showKey(config: LoadedConfig): Promise<Printed> {
  const path = keyPath(config);
  const isNew = !hasAgreementKey(path);
  if (isNew) await makeAgreementKey(path);
  const { thumbprint } = await readAgreementKey(path);
  const server = config.homeserver.server_name;
  return {
    json: { server, key: thumbprint, file: path, made: isNew },
    text: `${isNew ? `Made ${path}: \`aceso backup\` holds it from now on; on every machine it must be the same.\n` : ''}${server} signs by the key ${thumbprint}.\nRead it to your partner by telephone: they confirm it with \`aceso agreements add FILE --confirm-key ${thumbprint}\`.`,
  };
}

export type DraftOptions = { readonly partner: string; readonly name?: string; readonly kind: string; readonly from: string; readonly until: string; readonly standBy?: true };

/** A new agreement, signed by nobody, with what this hospital asks of shared rooms. */
export async function draft(config: LoadedConfig, { partner, name, kind, from, until, standBy }: DraftOptions): Promise<Printed> {
  const known = AGREEMENT_KINDS.find((each) => each === kind);
  if (known === undefined) throw new Error(`${kind} is no kind of agreement: it is one of ${AGREEMENT_KINDS.join(', ')}. Between providers, for treatment, it is treatment: that needs no BAA (45 CFR 164.502(e)(1)(ii)).`);
  const parties = [
    { server: config.homeserver.server_name, name: config.organisation.name },
    { server: partner, name: name ?? config.partners.find((each) => each.server_name === partner)?.name ?? partner },
  ].sort(byServer);
  const demands = demandsFor(config, standBy === true ? 'standing-by' : 'alone');
  const text = writeAgreement({ terms: { id: `ag_${randomBytes(16).toString('hex')}`, kind: known, parties: parties as [Terms['parties'][0], Terms['parties'][1]], scope: ['results'], from, until, policy: demands.policy, rooms: [demands] }, signatures: [] });
  const read = readAgreement(text);
  if (!read.ok) throw new Error(`That makes no agreement: ${read.error.message}.`);
  return { json: JSON.parse(text), text: text.trimEnd() };
}

/** Reads a file, with what its signatures prove. Throws with what is wrong and what to do. */
export async function readSigned(file: string): Promise<{ readonly document: AgreementDocument; readonly signatures: ReadonlyMap<string, Signature> }> {
  const read = readAgreement(textOf(file));
  if (!read.ok) throw new Error(`${file}: ${read.error.message}.`);
  const signed = await signaturesOf(read.value);
  if (!signed.ok) throw new Error(`${file}: ${signed.error.message}. Ask for it again, as it was signed.`);
  return { document: read.value, signatures: signed.value };
}

/** Signs a file for this hospital, and writes it back, with what this hospital asks of shared rooms. Signed already, it stays as it is. */
export async function sign(config: LoadedConfig, file: string, isDryRun: true | undefined): Promise<Printed> {
  const { document: read } = await readSigned(file);
  refuseNamesOfOthers(config, file, read.terms);
  const document = withOurDemands(config, file, read);
  const { terms } = document;
  if (terms.rooms?.length === 1) throw new Error(`${file}: ${partnerOf(config, terms)} signs first, and adds what it asks of shared rooms. Send it to them; then take it with \`aceso agreements add\`, which signs for ${config.homeserver.server_name}.`);
  if (isDryRun) return { json: { would: 'sign', terms }, text: `Would sign for ${config.homeserver.server_name}:\n${termsWords(terms)}` };
  const { key } = await signedByUs(config, file, document);
  return { json: { signed: terms.id, by: config.homeserver.server_name, key }, text: `${file} is signed for ${config.homeserver.server_name}, by the key ${key}:\n${termsWords(terms)}\nSend it to the other side; once both have signed, each takes it with \`aceso agreements add FILE\`.` };
}

/**
 * Both sides' demands are part of what both sign. Ours go in before anybody signed; later, and otherwise than they are today, they don't: nobody may sign for us what we
 * don't ask, or leave out what we do.
 */
export function withOurDemands(config: LoadedConfig, file: string, document: AgreementDocument): AgreementDocument {
  const { terms, terms: { rooms } } = document;
  if (rooms === undefined) return document;
  const ours = demandsFor(config, rooms.some(({ keepers }) => keepers !== undefined) ? 'standing-by' : 'alone');
  const stated = rooms.find(({ server }) => server === ours.server);
  if (!ours.kinds.results) throw new Error('The template of results rooms is local, so no partner could be sent any: set its `federation: agreed`.');
  if (stated && isSameDemand(stated, ours)) return document;
  if (stated || document.signatures.length > 0) throw new Error(`${file}: it says otherwise, of what ${ours.server} asks of shared rooms, than its rules, templates and policy server do now. Draft it anew, and have both sign that.`);
  const whole = readAgreement(writeAgreement({ ...document, terms: { ...terms, rooms: [...rooms, ours].sort(byServer) } }));
  if (!whole.ok) throw new Error(`${file}, with what ${ours.server} asks: ${whole.error.message}.`);
  return whole.value;
}

/** What we ask; and, where each policy server stands by for the other's, who keeps our rooms. */
function demandsFor(config: LoadedConfig, how: 'standing-by' | 'alone'): RoomDemands {
  const { keepers, ...demands } = configuredDemands(config);
  if (how === 'alone') return demands;
  if (keepers === undefined) throw new Error(config.policy_server === undefined ? 'Each policy server would stand by for the other\'s, and this hospital has none: draft it without --stand-by, or configure policy_server.' : 'The policy server has no keys yet: make them by `aceso policy-server keys`, then do this again.');
  return { ...demands, keepers };
}

/** Our signature under it; made, and written to the file, when it isn't there. */
export async function signedByUs(config: LoadedConfig, file: string, document: AgreementDocument): Promise<Signature> {
  const server = config.homeserver.server_name;
  const own = await readAgreementKey(keyPath(config));
  const found = await signaturesOf(document);
  const ours = found.ok ? found.value.get(server) : undefined;
  if (ours && ours.key !== own.thumbprint) throw new Error(`${file}: it is signed for ${server} by the key ${ours.key}, and that is not the one of this hospital (${own.thumbprint}). Draft it anew.`);
  if (ours) return ours;
  const jws = await signTerms(document.terms, server, own);
  const unfinished = `${file}.${randomBytes(4).toString('hex')}`;
  writeFileSync(unfinished, writeAgreement({ ...document, signatures: [...document.signatures, jws] }), { flag: 'wx' });
  renameSync(unfinished, file);
  return { server, key: own.thumbprint, jws };
}

/** Throws when the policy server that the partner names is one that somebody else is known by: the hospital itself, or another partner. */
export function refuseNamesOfOthers(config: LoadedConfig, file: string, terms: Terms, registers: readonly Register[] = []): void {
  const partner = partnerOf(config, terms);
  const named = terms.rooms?.find(({ server }) => server === partner)?.keepers?.policyServer.serverName.toLowerCase();
  const others = registers.filter(({ server }) => server !== partner);
  const taken = [
    ...(config.policy_server === undefined ? [] : [config.policy_server.server_name]), ...[...config.partners.map(({ server_name: name }) => name), ...others.map(({ server }) => server)].filter((name) => name !== partner),
    ...others.flatMap(({ agreements }) => agreements.filter(({ terms: other, revoked }) => !revoked && Date.now() < endOf(other)).flatMap(({ terms: { rooms = [] } }) => rooms.flatMap(({ keepers }) => (keepers ? [keepers.policyServer.serverName] : [])))),
  ];
  if (taken.some((name) => name.toLowerCase() === named)) throw new Error(`${file}: ${partner} names ${named ?? ''} as its policy server, and that is somebody else's name here. Ask them for a name of its own, and have it drafted anew.`);
}

/** The other side of it. Throws when this hospital is none of its parties. */
export function partnerOf({ homeserver: { server_name: own } }: LoadedConfig, terms: Terms): string {
  const partner = partnerIn(terms, own);
  if (!partner) throw new Error(`This agreement is between ${terms.parties.map(({ server }) => server).join(' and ')}: ${own} is none of them.`);
  return partner.server;
}

export const termsWords = ({ id, kind, parties: [one, other], scope, from, until, policy, rooms }: Terms): string =>
  [`Agreement  ${id}`, `Kind       ${kind}`, `Between    ${one.name} (${one.server})`, `and        ${other.name} (${other.server})`, `Scope      ${scope.join(', ')}`, `In force   ${from} to ${until}, both days included`, `Policy     ${policy.slice(0, 12)}`, ...roomsWords(rooms)].join('\n');

/** What each asks of shared rooms, and what passes in them: what both let pass. */
function roomsWords(rooms: Terms['rooms']): readonly string[] {
  if (rooms === undefined) return ['Rooms      each is under the rules of whose it is: this agreement is from before demands stood in them'];
  const asked = rooms.map(({ server, policy, kinds }) => `Asked by   ${server}, by its policy ${policy.slice(0, 12)}: ${Object.keys(kinds).join(', ')}`);
  const stands = rooms.flatMap(({ server, keepers }) => (keepers === undefined ? [] : [`Stands by  ${keepers.policyServer.serverName} in the rooms of the other, for ${server} (key ${keepers.policyServer.publicKey}); and with it ${keepers.guardian}, of whom ${server} vouches that it has no device: people's clients would give one the keys of those rooms`]));
  const [one, other] = rooms;
  return one && other ? [...asked, ...stands, ...kindsWords(intersectionOf(one.kinds, other.kinds))] : [...asked, ...stands];
}

const kindsWords = (both: RoomTerms): readonly string[] => Object.entries(both).map(([kind, { reactions, removals, senders }]) =>
  `In ${kind.padEnd(8)}${reactions.join(' ') || 'no reactions'}; own messages ${removals === 'own' ? 'may' : 'may not'} be taken out; written by ${senders === undefined ? 'whom the policies let' : senders.join(', ') || 'nobody'}`);

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} can't be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`, { cause: error });
  }
}
