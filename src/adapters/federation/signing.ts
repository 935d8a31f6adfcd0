import type { EventId, RoomId } from '../../domain/brand.ts';
import { refuse } from '../../domain/policy/admit.ts';
import { PASSING_REFUSALS } from '../../domain/policy/admissionRules.ts';
import { isLeftOver, type LeftOver } from '../../domain/policy/leftOver.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { createDeadlines } from './deadlines.ts';
import type { Signer } from './ed25519.ts';
import type { WrittenEvent } from './event.ts';
import { judge, type About, type JudgeParts, type Judgement } from './judge.ts';
import { POLICY_KEY_ID } from './keyFile.ts';
import type { JsonObject } from './signedJson.ts';

/** What was asked and answered, for figures and the audit: no content. */
export type Answered = { readonly verdict: Verdict; readonly seconds: number; /** The server that asked. */ readonly origin: string; readonly roomId?: RoomId; readonly eventId?: EventId; readonly about?: About; /** It must be taken out, though it was refused. */ readonly leftOver?: LeftOver };

export type SigningParts = Omit<JudgeParts, 'passed'> & { readonly serverName: string; readonly policy: Signer; readonly answered: (answered: Answered) => void };

/** Longer than this nobody is kept waiting: their message would seem to hang (issue: "deadline 1 s, then a refusal with a reason"). */
const DEADLINE_MS = 1000;
/**
 * Another server than the sender's has the event already, and nobody waits at a screen; but what isn't signed then it hides for ever. A join that was
 * refused so for being slow leaves a room of which the servers think differently. Less than what Synapse waits (30 s).
 */
const DEADLINE_OF_RECEIVED_MS = 10_000;
const PASSED = 50_000;
/** Of one server at one time: many times what a busy one asks. */
const AT_ONE_TIME = 256;
const RETRY_MS = 2000;

export type SignAnswer = { readonly status: number; readonly body: JsonObject };

/** `POST /_matrix/policy/v1/sign` (server-server API §"Policy Servers"): the signature, or why not, within a second; within ten for who has the event already. */
export function createSigning(parts: SigningParts): (event: WrittenEvent, origin: string) => Promise<SignAnswer> {
  const passed = new Set<EventId>();
  const underWay = new Map<string, number>();
  const deadlines = createDeadlines();
  const judging: JudgeParts = { ...parts, passed };
  const judged = async (event: WrittenEvent, origin: string): Promise<Judgement> => {
    const others = underWay.get(origin) ?? 0;
    if (others >= AT_ONE_TIME) return { verdict: refuse('too-slow') };
    underWay.set(origin, others + 1);
    try {
      return await deadlines.within(isOfSender(event.event, origin) ? DEADLINE_MS : DEADLINE_OF_RECEIVED_MS, (deadline) => judge(judging, event, deadline), { verdict: refuse('too-slow') });
    } finally {
      const left = (underWay.get(origin) ?? 1) - 1;
      if (left === 0) underWay.delete(origin);
      else underWay.set(origin, left);
    }
  };
  return async (event, origin) => {
    const began = performance.now();
    const { verdict, signable, roomId, eventId, pdu, about } = await judged(event, origin);
    const leftOver = roomId !== undefined && eventId !== undefined && pdu !== undefined && isLeftOver(verdict, pdu, origin) ? { roomId, eventId, sender: pdu.sender } : undefined;
    parts.answered({ verdict, origin, seconds: (performance.now() - began) / 1000, ...(roomId === undefined ? {} : { roomId }), ...(eventId === undefined ? {} : { eventId }), ...(about === undefined ? {} : { about }), ...(leftOver === undefined ? {} : { leftOver }) });
    if (!verdict.allowed || signable === undefined || eventId === undefined || pdu === undefined) return refusal(verdict);
    remember(passed, eventId);
    parts.views.passed(eventId, pdu.sender);
    return { status: 200, body: { [parts.serverName]: { [POLICY_KEY_ID]: parts.policy.sign(signable) } } };
  };
}

const isOfSender = ({ sender }: JsonObject, origin: string): boolean => typeof sender !== 'string' || sender.endsWith(`:${origin}`);

function remember(passed: Set<EventId>, eventId: EventId): void {
  passed.delete(eventId);
  passed.add(eventId);
  if (passed.size > PASSED) for (const oldest of passed) { passed.delete(oldest); break; }
}

/**
 * The sender's homeserver passes it on to their client as it is: 403 for every refusal, since homeservers keep the text of a 5xx or 429 to themselves. By the
 * code of a passing one clients, the courier among them, send again by themselves.
 */
function refusal({ message, rules: [rule = 'default-deny'], revision, by }: Verdict): SignAnswer {
  const code = PASSING_REFUSALS.has(rule) ? { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: RETRY_MS } : { errcode: 'M_FORBIDDEN' };
  return { status: 403, body: { ...code, error: message, 'org.aceso.rule': rule, 'org.aceso.policy_revision': revision, ...(by === undefined ? {} : { 'org.aceso.rule_of': by }) } };
}
