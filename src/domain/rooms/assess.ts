import type { UserId } from '../brand.ts';
import { serverOf } from '../people/party.ts';
import { naming, type PolicyIdentity } from './protection.ts';
import { isSame } from './same.ts';
import type { RoomPlan, RoomTemplate } from './template.ts';

type Content = Readonly<Record<string, unknown>>;
export type StateOfRoom = readonly { readonly type: string; readonly stateKey: string; readonly content: Content }[];

/** What a room is held to, where that comes from, and whether the guardian can put it back by itself. */
export const ROOM_RULES = {
  'power-levels': { cite: '45 CFR 164.312(a)(1)', say: 'only the guardian has power, and members may send what the template says' },
  'admitted-servers': { cite: '45 CFR 164.308(b)(1), 164.506(c)', say: 'only the servers of its people are admitted' },
  encryption: { cite: '45 CFR 164.312(e)(1)', say: 'encrypted, with keys that change as often as the template says' },
  'join-rules': { cite: '45 CFR 164.312(a)(1)', say: 'by the guardian\'s invitation only' },
  history: { cite: '45 CFR 164.502(b)', say: 'new members read nothing from before' },
  guests: { cite: '45 CFR 164.312(d)', say: 'no guests' },
  name: { cite: '45 CFR 164.312(e)(1)', say: 'the template\'s name: names are not encrypted' },
  topic: { cite: '45 CFR 164.312(e)(1)', say: 'the template\'s topic: topics are not encrypted' },
  picture: { cite: '45 CFR 164.312(e)(1)', say: 'no picture: pictures of rooms are not encrypted' },
  alias: { cite: '45 CFR 164.312(e)(1)', say: 'no address but the one that Aceso gave it: addresses are not encrypted' },
  template: { cite: '45 CFR 164.312(c)(1)', say: 'it says which template it was made from' },
  member: { cite: '45 CFR 164.308(a)(4), 164.502(b)', say: 'nobody is in it whom the policy doesn\'t let in' },
  federation: { cite: '45 CFR 164.312(e)(1)', say: 'a local room never federates: make another in its place' },
  'state-unknown': { cite: '45 CFR 164.312(e)(1)', say: 'no settings that Aceso doesn\'t know: they are not encrypted. Look at it, and take it out' },
  standby: { cite: '45 CFR 164.308(a)(7)(ii)(C), 164.308(b)(1)', say: 'the partner\'s guardian and policy server stand by in it where the agreement says so, and nowhere else' },
  guardian: { cite: '45 CFR 164.312(a)(1)', say: 'the guardian is in it: without it nothing can be put back' },
} as const satisfies Readonly<Record<string, { readonly cite: string; readonly say: string }>>;

export type RoomRule = keyof typeof ROOM_RULES;

/** One thing that isn't as it must be. Never what it says: that may be anything. */
export type Finding = { readonly rule: RoomRule; readonly type: string; /** Of a member, their id. */ readonly user?: UserId };

export type Repair = { readonly rule: RoomRule; readonly type: string; readonly stateKey: string; readonly content: Content };

export type Standard = {
  readonly plan: RoomPlan;
  /** The template's: a room that federates is held to its access list, but doesn't become local. */
  readonly federation: RoomTemplate['federation'];
  readonly guardian: UserId;
  /** Those who may be in it, Aceso's own users among them. */
  readonly mayBe: readonly UserId[];
  /** Those who are to be in it for when the policy server is away: invited, they come by themselves. */
  readonly standBy?: readonly UserId[];
  /** Those who are to be in it only then, and are taken out otherwise. */
  readonly keepers?: readonly UserId[];
  /** The hospital's own policy server, where its key is at hand. */
  readonly policy?: PolicyIdentity;
  /** Whether somebody else who is in it is taken out; in results rooms they get no keys, and somebody looks. */
  readonly strangers: 'removed' | 'told';
  /** Beginning of every alias of ours. */
  readonly aliasPrefix: string;
};

/** In the order in which they are put back: what keeps others from changing the rest comes first. */
const RULE_OF: Readonly<Record<string, RoomRule>> = {
  'm.room.power_levels': 'power-levels', 'm.room.join_rules': 'join-rules', 'm.room.server_acl': 'admitted-servers', 'm.room.encryption': 'encryption', 'm.room.history_visibility': 'history',
  'm.room.guest_access': 'guests', 'org.aceso.template': 'template', 'm.room.name': 'name', 'm.room.topic': 'topic', 'm.room.avatar': 'picture', 'm.room.canonical_alias': 'alias',
};
/** The rule that a setting of this type is held to, where it can be put back. */
export const ruleOf = (type: string): RoomRule | undefined => RULE_OF[type];

/** What is looked at by other rules, or says nothing. */
const LEFT_ALONE = new Set(['m.room.create', 'm.room.member', 'm.room.policy', 'm.room.tombstone']);

/** What of a room's state is not as its template, and the policy, would have it. Pure; the same for each kind of room. */
export function assess(state: StateOfRoom, { plan, federation, guardian, mayBe, standBy = [], keepers = [], policy, aliasPrefix }: Standard): readonly Finding[] {
  const contentOf = (type: string, key = ''): Content | undefined => state.find((event) => event.type === type && event.stateKey === key)?.content;
  if (contentOf('m.room.member', guardian)?.['membership'] !== 'join') return [{ rule: 'guardian', type: 'm.room.member', user: guardian }];
  const wanted = wantedState(plan);
  const drifted = Object.entries(RULE_OF).filter(([type]) => !(type === 'm.room.canonical_alias' ? isOurAlias(contentOf(type), aliasPrefix) : fits(type, contentOf(type), wanted.get(type)))).map(([type, rule]): Finding => ({ rule, type }));
  const isKeeper = (user: string): boolean => keepers.some((each) => each === user);
  const others = state.filter(({ type, stateKey, content }) => type === 'm.room.member' && (content['membership'] === 'join' || content['membership'] === 'invite') && !mayBe.some((user) => user === stateKey));
  const isJudging = ({ stateKey }: StateOfRoom[number]): boolean => isKeeper(stateKey) && serverOf(stateKey as UserId) === contentOf('m.room.policy')?.['via'];
  const canJudge = policy !== undefined && contentOf('m.room.member', policy.userId)?.['membership'] === 'join';
  // As long as the own one isn't in the room, the one that judges there stays: without both, everything would pass.
  const strangers = others.filter((each) => policy === undefined || canJudge || !isJudging(each));
  const unknown = state.filter(({ type, stateKey, content }) => Object.keys(content).length > 0 && !LEFT_ALONE.has(type) && !(type in RULE_OF && stateKey === ''));
  const isIn = (user: UserId): boolean => ['join', 'invite'].includes(String(contentOf('m.room.member', user)?.['membership']));
  return [
    // Before the one that it names is taken out, and its server off the access list.
    ...(canJudge && strangers.some(isJudging) ? [{ rule: 'standby', type: 'm.room.policy' } as const] : []),
    ...drifted,
    ...((federation === 'local' || !plan.federated) && contentOf('m.room.create')?.['m.federate'] !== false ? [{ rule: 'federation', type: 'm.room.create' } as const] : []),
    ...strangers.map(({ stateKey }): Finding => ({ rule: isKeeper(stateKey) ? 'standby' : 'member', type: 'm.room.member', user: stateKey as UserId })),
    ...[...new Set(unknown.map(({ type }) => plainType(type)))].sort().map((type): Finding => ({ rule: 'state-unknown', type })),
    // Last: they are invited when the room is in order, and a partner that is away keeps nothing else from being put back.
    ...standBy.filter((user) => !isIn(user)).map((user): Finding => ({ rule: 'standby', type: 'm.room.member', user })),
  ];
}

/** What is to be done about it, in this order. What is missing here, a person must do. Pure. */
export function planRepairs(findings: readonly Finding[], { plan, strangers, standBy = [], policy }: Standard): readonly Repair[] {
  const wanted = wantedState(plan);
  return findings.flatMap(({ rule, type, user }): readonly Repair[] => {
    if (rule === 'member') return user === undefined || strangers === 'told' ? [] : [{ rule, type, stateKey: user, content: { membership: 'leave' } }];
    if (type === 'm.room.policy') return policy === undefined ? [] : [{ rule, type, stateKey: '', content: naming(policy).content }];
    if (rule === 'standby') return user === undefined ? [] : [{ rule, type, stateKey: user, content: { membership: standBy.includes(user) ? 'invite' : 'leave' } }];
    return RULE_OF[type] === rule ? [{ rule, type, stateKey: '', content: wanted.get(type) ?? {} }] : [];
  });
}

/** The name of a type may say anything too: what isn't of the usual form is not repeated. */
export const plainType = (type: string): string => (/^[a-z0-9._-]{1,64}$/u.test(type) ? type : 'other');

const isOurAlias = (is: Content = {}, prefix: string): boolean => Object.entries(is).every(([name, value]) => (name === 'alias' && String(value).startsWith(`#${prefix}`)) || (name === 'alt_aliases' && isSame(value, [])));

function wantedState({ initialState, powerLevels, name, topic }: RoomPlan): ReadonlyMap<string, Content> {
  return new Map<string, Content>([...initialState.map(({ type, content }) => [type, content] as const), ['m.room.power_levels', powerLevels], ['m.room.name', { name }], ['m.room.topic', { topic }]]);
}

function fits(type: string, is: Content | undefined, wanted: Content | undefined): boolean {
  if (wanted === undefined) return is === undefined || Object.keys(is).length === 0;
  switch (type) {
    case 'm.room.power_levels': return is !== undefined && Object.entries(wanted).every(([name, value]) => isSame(is[name] ?? EMPTY[name], value));
    case 'm.room.server_acl': return is !== undefined && isSame({ ...is, allow: sorted(is['allow']), deny: sorted(is['deny']) }, { ...wanted, allow: sorted(wanted['allow']), deny: sorted(wanted['deny']) });
    case 'm.room.topic': return fitsTopic(is, String(wanted['topic']));
    default: return isSame(is, wanted);
  }
}

const EMPTY: Readonly<Record<string, unknown>> = { users: {}, users_default: 0 };
const sorted = (list: unknown): unknown => (Array.isArray(list) ? [...(list as readonly unknown[])].sort() : []);

/** Homeservers put the text beside itself once more (`m.topic`, MSC3765): that one must say the same. */
function fitsTopic(is: Content | undefined, topic: string): boolean {
  const { topic: text = '', 'm.topic': again, ...more } = is ?? {};
  if (text !== topic || Object.keys(more).length > 0) return false;
  if (again === undefined) return true;
  const { 'm.text': texts, ...others } = again as Content;
  return Object.keys(others).length === 0 && Array.isArray(texts) && texts.every((each: unknown) => typeof each === 'object' && each !== null && (each as Content)['body'] === topic);
}
