import type { AdmissionRule } from './admissionRules.ts';
import type { Verdict } from './verdict.ts';

const ACCESS = '45 CFR 164.312(a)(1)';
const CLEAR = '45 CFR 164.312(e)(1) and (a)(2)(iv)';

/** What is asked before something exists on the own homeserver, beside what passes in rooms (`admissionRules.ts`). */
export const LOCAL_RULES = {
  'direct-room': { cite: ACCESS, say: '' },
  'direct-invite': { cite: ACCESS, say: '' },
  'agreed-server': { cite: '45 CFR 164.308(b)(1)', say: '' },
  'not-for-phi': { cite: 'a room from before Aceso, or of another kind: it holds no PHI', say: '' },

  'room-by-command': { cite: ACCESS, say: 'Rooms are made by Aceso, so that they are encrypted and the right people are in them. Ask your IT department for one (`aceso rooms create`), or write a direct message to one colleague of this hospital.' },
  'direct-with-text': { cite: CLEAR, say: 'Names, topics, pictures and aliases of rooms are not encrypted, so a direct message has none. Make it again without.' },
  'direct-across-servers': { cite: ACCESS, say: 'Direct messages are for people of this hospital. To talk with another one, ask your IT department for a room that both have agreed on (`aceso rooms create`).' },
  'direct-for-two': { cite: ACCESS, say: 'A direct message is for the two people it was made for. For more, ask your IT department for a room (`aceso rooms create`).' },
  'public-never': { cite: ACCESS, say: 'Rooms of this hospital are not public: whoever finds one could enter it. Invite the people instead.' },
  'publish-never': { cite: ACCESS, say: 'Rooms for patients\' data are never listed publicly. Invite the people instead.' },
  'alias-never': { cite: CLEAR, say: 'Aliases of rooms are not encrypted, and anybody can look for them. Invite the people instead.' },
  'invite-outside': { cite: '45 CFR 164.308(b)(1)', say: 'Their organisation has no agreement with this hospital, so they can\'t be invited. Ask the privacy office.' },
  'invite-from-outside': { cite: '45 CFR 164.308(b)(1)', say: 'This hospital takes invitations from servers with an agreement only. Ask its privacy office.' },
  'join-uninvited': { cite: ACCESS, say: 'Rooms of other servers are entered by invitation only. Ask whoever runs the room for one.' },
} as const satisfies Readonly<Record<string, AdmissionRule>>;

export type LocalRuleId = keyof typeof LOCAL_RULES;

/** Names this text of the rules: change it with them. */
export const LOCAL_REVISION = 'local-1';

export const localAllow = (rule: LocalRuleId): Verdict => ({ allowed: true, revision: LOCAL_REVISION, rules: [rule], message: '', warnings: [] });
export const localRefuse = (rule: LocalRuleId): Verdict => ({ allowed: false, revision: LOCAL_REVISION, rules: [rule], message: LOCAL_RULES[rule].say, warnings: [] });
