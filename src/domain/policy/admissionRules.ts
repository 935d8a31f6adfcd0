/** A rule of what passes in a room for PHI: where it comes from, and what whoever was refused should do. */
export type AdmissionRule = { readonly cite: string; /** Empty where the rule lets pass. */ readonly say: string };

const CLEAR = '45 CFR 164.312(e)(1) and (a)(2)(iv)';
const ACCESS = '45 CFR 164.312(a)(1)';
const INTEGRITY = '45 CFR 164.312(c)(1)';
const MATRIX = 'Matrix server-server API';

export const ADMISSION_RULES = {
  guardian: { cite: `${ACCESS}; the guardian governs rooms`, say: '' },
  encrypted: { cite: CLEAR, say: '' },
  reaction: { cite: CLEAR, say: '' },
  'own-redaction': { cite: INTEGRITY, say: '' },
  'invited-member': { cite: ACCESS, say: '' },
  leave: { cite: ACCESS, say: '' },
  'policy-server': { cite: `${MATRIX} §Policy Servers`, say: '' },
  redacted: { cite: INTEGRITY, say: '' },
  dummy: { cite: 'Synapse joins loose ends of a room by an empty event', say: '' },

  'clear-text': { cite: CLEAR, say: 'This room takes encrypted messages only, and yours was not encrypted: nobody has received it. Use a client with end-to-end encryption, for example Element, and send it again.' },
  disguised: { cite: CLEAR, say: 'This is not what encrypted messages look like, so nobody has received it. Update your client, and send it again.' },
  'beside-ciphertext': { cite: CLEAR, say: 'Your client put something readable beside the encrypted message, so nobody has received it. Update your client, or send it without (a location, a call, a sticker).' },
  'reaction-key': { cite: CLEAR, say: 'Reactions are not encrypted, so this room takes a few emoji only. Write it as a message.' },
  reason: { cite: CLEAR, say: 'Reasons are not encrypted, so this room takes none. Do it again without a reason.' },
  'redaction-of-others': { cite: INTEGRITY, say: 'You may remove your own messages only. Ask the privacy office to remove another\'s.' },
  'redaction-unknown': { cite: INTEGRITY, say: 'The message to remove has not been seen here. Wait a moment, and try again.' },
  'removal-never': { cite: INTEGRITY, say: 'In this room nothing is taken out. Write a message that corrects it.' },
  'kind-not-shared': { cite: '45 CFR 164.308(b)(1), 164.506(c)', say: 'Rooms of this kind are not shared between the two hospitals any more. Ask your IT department for one of another kind (`aceso rooms create`).' },
  'sender-role': { cite: '45 CFR 164.308(a)(4), 164.502(b)', say: 'Your role doesn\'t write in rooms of this kind. Ask a colleague in the room, or the privacy office.' },
  'sender-unknown': { cite: 'what can\'t be checked doesn\'t pass', say: 'It could not be checked just now who may write here: your message was not sent. Send it again in a moment.' },
  'type-unknown': { cite: CLEAR, say: 'This room takes encrypted messages, reactions and removals of your own messages only. What your client sent can be read by servers: nobody has received it.' },
  'state-guardian-only': { cite: ACCESS, say: 'Only Aceso\'s guardian changes this room: name, topic, settings and members. Ask your IT department.' },
  'invite-guardian-only': { cite: ACCESS, say: 'Only Aceso\'s guardian invites to this room. Ask your IT department to add them.' },
  'not-invited': { cite: ACCESS, say: 'You are not invited to this room. Ask your IT department.' },
  'not-a-member': { cite: ACCESS, say: 'You are not in this room. Accept the invitation first, or ask your IT department for one.' },
  'keepers-silent': { cite: '45 CFR 164.308(a)(4), 164.502(b)', say: 'Guardians and policy servers keep rooms, and don\'t write in them: nobody has received it. If somebody is logged in as one, ask your IT department to end that.' },
  'member-unknown': { cite: 'what can\'t be checked doesn\'t pass', say: 'The hospital that keeps this room has not heard yet that you are in it: your message was not sent. Send it again in a moment; if that does not help, ask your IT department for an invitation.' },
  'profile-text': { cite: CLEAR, say: 'Names and pictures of people are not encrypted. Use your plain name, at most 64 characters, and no other fields.' },
  'server-not-admitted': { cite: '45 CFR 164.308(b)(1), 164.506(c)', say: 'Your organisation\'s server has no agreement for this room. Ask the privacy office.' },
  'room-unknown': { cite: ACCESS, say: 'This room is not one of Aceso\'s, or is not known yet. Wait a moment, and try again; then ask your IT department.' },
  'not-named': { cite: '45 CFR 164.308(a)(7)(ii)(C)', say: 'The policy server of the other hospital judges in this room, or did until a moment ago: your message was not sent. Send it again in a moment; if that does not help, ask your IT department.' },
  'room-version': { cite: `${MATRIX}; room versions 10 to 12`, say: 'This version of room is not supported here. Ask your IT department.' },
  oversized: { cite: 'Matrix client-server API §Size limits', say: 'The event is larger than 64 KiB. Send it as a file, or in parts.' },
  malformed: { cite: `${MATRIX} §PDUs`, say: 'Your server sent an event that is none. Ask your IT department to look at it.' },
  'unknown-field': { cite: CLEAR, say: 'Your server put something readable beside the event. Ask your IT department to update it.' },
  'content-hash': { cite: INTEGRITY, say: 'The event was changed on its way. Send it again; if that does not help, ask your IT department.' },
  'bad-signature': { cite: INTEGRITY, say: 'The event does not carry the signature of its sender\'s server. Ask your IT department.' },
  'clock-skew': { cite: '45 CFR 164.312(b)', say: 'Your server\'s clock is wrong by more than five minutes. Ask your IT department to keep it by NTP.' },
  'too-slow': { cite: 'decided within a second, or refused', say: 'It could not be checked in time: your message was not sent. Send it again in a moment.' },
  'homeserver-away': { cite: 'what can\'t be checked doesn\'t pass', say: 'It could not be checked just now: your message was not sent. Send it again in a moment.' },
  probe: { cite: 'asked for by `aceso doctor`', say: 'This is the refusal that `aceso doctor` asks for.' },
} as const satisfies Readonly<Record<string, AdmissionRule>>;

export type AdmissionRuleId = keyof typeof ADMISSION_RULES;

/** Refusals of the moment: the same event may pass a moment later. */
export const PASSING_REFUSALS: ReadonlySet<string> = new Set<AdmissionRuleId>(['too-slow', 'homeserver-away', 'sender-unknown', 'member-unknown', 'not-named']);

/** Names this text of the rules: change it with them. */
export const ADMISSION_REVISION = 'admission-6';
