import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import { targetOf } from '../../adapters/policy/grid.ts';
import type { Millis, UserId } from '../../domain/brand.ts';
import type { Party } from '../../domain/people/party.ts';
import type { Organisation } from '../../domain/policy/agreement.ts';
import { NO_CIRCUMSTANCES, type Judge, type Question, type Who } from '../../domain/policy/question.ts';
import { whoIs } from '../../domain/policy/standing.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { ACTIONS, ROOM_KINDS } from '../../domain/policy/words.ts';
import type { RoomState } from '../../domain/rooms/room.ts';
import type { Store } from '../../ports/store.ts';
import { word } from './diff.ts';
import { table, type Printed } from '../print.ts';

type Change = { readonly person: string; readonly userId: UserId; readonly action: string; readonly kind: string; readonly before: boolean; readonly after: boolean; readonly because: readonly string[] };
type RoomChange = { readonly room: string; readonly userId: UserId; readonly change: 'let in' | 'kept out'; readonly because: readonly string[] };

/** What other rules would change for the people and results rooms of today, before they are in force. Their results and patients are taken to be theirs. */
export async function simulate(store: Store, before: LoadedPolicy, after: LoadedPolicy, organisations: readonly Organisation[], at: Millis): Promise<Printed> {
  const parties = (await store.states('party')) as readonly Party[];
  const people = membersOf(parties);
  const asked = [remembering(before), remembering(after)] as const;
  const changes = [...people].flatMap(([userId, party]) => changesOf(party?.name ?? userId, whoIs(userId, party?.standing, organisations), asked, at));
  const rooms = ((await store.states('room')) as readonly RoomState[]).flatMap(({ party }) => party.members.flatMap((userId): readonly RoomChange[] => {
    const change = changes.find((each) => each.userId === userId && each.action === 'join' && each.kind === 'results');
    return change ? [{ room: party.name, userId, change: change.after ? 'let in' : 'kept out', because: change.because }] : [];
  }));
  const affected = new Set(changes.map(({ userId }) => userId)).size;
  const json = { before: before.revision, after: after.revision, people: people.size, affected, changes, rooms };
  return {
    json,
    text: [
      `${before.revision.slice(0, 12)} → ${after.revision.slice(0, 12)}: ${affected} of ${people.size} people are affected.`, '',
      table(['PERSON', 'ACTION', 'ROOM', 'BEFORE', 'AFTER', 'BY'], changes.map(({ person, action, kind, before: was, after: is, because }) => [person, action, kind, word(was), word(is), because.join(' ')]), 'Nothing changes for anybody of the directory.'), '',
      table(['RESULTS ROOM OF', 'MEMBER', '', 'BY'], rooms.map(({ room, userId, change, because }) => [room, userId, change, because.join(' ')]), 'No results room changes.'),
    ].join('\n'),
  };
}

/** Everybody whom the directory names, with their own entry where they have one. */
function membersOf(parties: readonly Party[]): ReadonlyMap<UserId, Party | undefined> {
  const own = new Map(parties.flatMap((party) => (party.kind === 'person' ? party.members.map((member) => [member, party] as const) : [])));
  return new Map(parties.flatMap(({ members }) => members.map((member) => [member, own.get(member)] as const)));
}

const ORDINARY = { ...NO_CIRCUMSTANCES, responsible: true, inCare: true, reason: true };

function changesOf(person: string, who: Who, [before, after]: readonly [Judge, Judge], at: Millis): readonly Change[] {
  return ACTIONS.flatMap((action) => ROOM_KINDS.flatMap((kind): readonly Change[] => {
    const question: Question = { who, action, target: targetOf(action, kind), circumstances: ORDINARY, at };
    const [was, is] = [before(question), after(question)];
    return was.allowed === is.allowed ? [] : [{ person, userId: who.userId, action, kind, before: was.allowed, after: is.allowed, because: is.rules }];
  }));
}

/** People of one standing are asked about once: a hospital has thousands, and few standings. Not where a rule names a person. */
function remembering({ judge, rules }: LoadedPolicy): Judge {
  if (rules.some(({ text }) => text.includes('Person::"'))) return judge;
  const known = new Map<string, Verdict>();
  return (question) => {
    const { userId: _, ...who } = question.who;
    const key = JSON.stringify([who, question.action, question.target]);
    const verdict = known.get(key) ?? judge(question);
    known.set(key, verdict);
    return verdict;
  };
}
