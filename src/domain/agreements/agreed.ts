import type { Context, Lookup } from '../decision.ts';
import type { Party } from '../people/party.ts';
import { serversOf } from '../people/party.ts';
import { inForce, type Organisation } from '../policy/agreement.ts';
import type { RoomKind } from '../policy/words.ts';
import { sharesKind } from './demands.ts';
import { agreementsOf, type Register } from './register.ts';

/** Why nothing goes to a partner, and nobody of theirs comes in. */
export const NO_AGREEMENT = 'no-agreement';

type Known = Pick<Context, 'found' | 'settings' | 'now'>;

/** What is agreed with whom these parties' people belong to. */
export const lookupsOfAgreements = (...parties: readonly (Party | undefined)[]): readonly Lookup[] =>
  [...new Set(parties.flatMap((party) => (party ? serversOf(party) : [])))].map((name) => ({ kind: 'agreement', name }));

const registerOf = ({ found }: Pick<Context, 'found'>, server: string): Register | undefined => {
  const known = found.get(server);
  return known?.aggregate.kind === 'agreement' ? (known.state as Register) : undefined;
};

/** Whether people of a server may be told anything now: by an agreement in force; by the configuration only where the register knows nothing of that server. */
export function isAgreed(server: string, known: Known): boolean {
  if (server === known.settings.ownServer) return true;
  const register = registerOf(known, server);
  return register?.key !== undefined ? inForce({ agreements: agreementsOf(register) }, known.now).length > 0 : known.settings.agreedServers.includes(server);
}

/** Whether the partner whose server this is shares rooms of a kind, as far as an agreement says. */
export function isShared(server: string, kind: RoomKind, known: Known): boolean {
  const register = registerOf(known, server);
  return register === undefined || sharesKind(register, kind, known.now);
}

/** A party's servers without one. */
export const strangersAmong = (party: Party, known: Known): readonly string[] => serversOf(party).filter((server) => !isAgreed(server, known));

export const noAgreement = (server: string): { readonly code: string; readonly message: string } =>
  ({ code: NO_AGREEMENT, message: `there is no agreement in force with ${server}: see \`aceso agreements list\`, make one, or add it to the partners of the configuration. Tell them by telephone meanwhile` });

/** The organisations as rules see them: what the register says of a partner takes the place of what the configuration says; and what was seen of its homeserver. */
export function organisationsNow({ found, settings }: Pick<Context, 'found' | 'settings'>): readonly Organisation[] {
  const registers = [...found.values()].flatMap(({ aggregate, state }) => (aggregate.kind === 'agreement' ? [state as Register] : []));
  return registers.reduce(withRegister, settings.organisations);
}

export function withRegister(organisations: readonly Organisation[], register: Register): readonly Organisation[] {
  const { server, key, conduct } = register;
  const known = { ...(key === undefined ? {} : { agreements: agreementsOf(register) }), ...(conduct === undefined ? {} : { conduct }) };
  const isTheirs = ({ own, servers }: Organisation): boolean => !own && servers.includes(server);
  if (!organisations.some(isTheirs)) return [...organisations, { id: server, own: false, servers: [server], agreements: [], ...known }];
  return organisations.map((each) => (isTheirs(each) ? { ...each, ...known } : each));
}

/** Registers that don't know yet that this party's room relies on them. */
export const unawareOf = (party: Party, known: Pick<Context, 'found'>): readonly Register[] =>
  serversOf(party).flatMap((server) => registerOf(known, server) ?? []).filter(({ rooms }) => !rooms.includes(party.id));
