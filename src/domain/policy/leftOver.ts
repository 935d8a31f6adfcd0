import type { EventId, RoomId, UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import type { Pdu } from './admit.ts';
import type { AdmissionRuleId } from './admissionRules.ts';
import type { Verdict } from './verdict.ts';

/** An event that is on the homeservers' disks though it was refused, and that they may show something of. */
export type LeftOver = { readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId };

/** Refusals for what can be read in the event. */
const SAYING: ReadonlySet<string> = new Set<AdmissionRuleId>(['clear-text', 'disguised', 'beside-ciphertext', 'reaction-key', 'reason', 'type-unknown', 'profile-text', 'unknown-field', 'state-guardian-only']);

/**
 * What must be taken out after it was refused (45 CFR 164.312(e)(1)). Who asks about an event of another server has it already, and hides it; but Synapse shows a removal beside what it
 * removes, sums up relations beside what they relate to, and takes state over where the room's graph forks, refused or not. When the sender's own server asks, there is nothing yet.
 */
export function isLeftOver({ allowed, rules }: Verdict, { type, sender, state_key: key, content }: Pick<Pdu, 'type' | 'sender' | 'state_key' | 'content'>, asking: string): boolean {
  const isShown = type === 'm.room.redaction' || (type === 'm.room.member' && key === sender) || (key === undefined && content['m.relates_to'] !== undefined);
  return !allowed && isShown && asking !== serverOf(sender) && rules.some((rule) => SAYING.has(rule));
}
