import type { Standby } from '../agreements/demands.ts';
import type { AdmissionTerms } from './admit.ts';
import type { RoomView } from './roomView.ts';

/**
 * The terms by which a room is judged. In a partner's room, where this policy server stands by: once the room names it, by that hospital's guardian's word, and by what both
 * agreed to ask of rooms that they share. Nobody asks it before, or after; who does all the same hears that another judges. The rules of the hospital whose room it is aren't known here, but for
 * what the agreement says of them; so its own people's roles aren't asked about (docs/decisions/0035).
 */
export function termsIn(room: Pick<RoomView, 'creator' | 'policyServer'>, terms: AdmissionTerms, standbys: readonly Standby[]): AdmissionTerms | 'not-named' {
  const standby = room.creator === terms.guardian ? undefined : standbys.find(({ theirs }) => theirs.guardian === room.creator);
  if (!standby) return terms;
  if (room.policyServer !== standby.own.policyServer.serverName) return 'not-named';
  return { ...terms, guardian: standby.theirs.guardian, courier: standby.theirs.courier, agreed: terms.agreed.filter(({ partner }) => partner === standby.partner) };
}
