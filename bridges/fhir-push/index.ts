/** The door under `/fhir`: lab and EHR systems push FHIR R4 resources, each becomes an Arrival. README.md of this folder tells it from outside. */
import { performance } from 'node:perf_hooks';
import type { Admission, Authenticator, Bridge, BridgeHost, FhirValidator, HttpHead, HttpReply } from '../../src/ports/bridge.ts';
import { answer } from './answer.ts';
import type { Task } from './answer.ts';
import { createAuthorise } from './authorise.ts';
import { capabilityStatement } from './capability.ts';
import { DEFAULT_MAX_BYTES, DEFAULT_MAX_IN_FLIGHT } from './config.ts';
import type { FhirPushConfig, SourceConfig } from './config.ts';
import type { Asked, Desk, Done } from './create.ts';
import { createInFlight } from './inFlight.ts';
import type { InFlight } from './inFlight.ts';
import { acceptsJson, preferenceOf, sendsJson } from './negotiate.ts';
import { operationOf } from './operation.ts';
import type { Operation } from './operation.ts';
import type { Pool } from './pool.ts';
import { problem, refuse, refusal, replyJson, replyRefusal } from './outcome.ts';
import type { Refusal, Result } from './outcome.ts';
import { createRate } from './rate.ts';
import type { Rate } from './rate.ts';

export { CONSENT_TYPES, STAFF_TYPES, type StaffType } from './config.ts';
export type { FhirPushConfig, SourceConfig, TakenType } from './config.ts';
export { judgeFetched } from './attachments/judge.ts';
export { createPool } from './pool.ts';
export type { Pool, PoolOptions } from './pool.ts';
export { serveTasks } from './thread.ts';

const NAME = 'fhir-push';

export type FhirPushParts = {
  readonly host: BridgeHost;
  readonly validator: FhirValidator;
  readonly authenticator: Authenticator;
  /** Where large bodies are parsed and validated; without it, here. */
  readonly pool?: Pool;
  /** What sources have used of their limits, to go on counting where a door before this one was. */
  readonly used?: Used;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
};

/** By the id of each source: its rate, and its requests at one time. */
export type Used = { readonly rate: Rate; readonly inFlight: InFlight };

export const nothingUsed = (): Used => ({ rate: createRate(), inFlight: createInFlight() });

export const createFhirPush = (config: FhirPushConfig, { host, validator, authenticator, pool, used: { rate, inFlight } = nothingUsed(), clock = () => performance.now() }: FhirPushParts): Bridge => {
  const authorise = createAuthorise(config, authenticator);
  const desk: Desk = { config, host, validator };
  const capabilities = capabilityStatement(config, authenticator.ways, new Date().toISOString());

  const admit = async (head: HttpHead): Promise<Admission> => {
    const observe = observer(host, clock, head.peer.address);
    const refused = (why: Refusal, source?: SourceConfig): { readonly reply: HttpReply } => ({ reply: observe(why.event, replyRefusal(why), source) });
    try {
      const operation = operationOf(head.method, head.path);
      if (operation.ok && operation.value.kind === 'metadata') {
        const acceptable = acceptsJson(head);
        return acceptable.ok ? { reply: observe('metadata', replyJson(200, capabilities)) } : refused(acceptable.refusal);
      }
      const caller = await authorise(head);
      if (!caller.ok) return refused(caller.refusal);
      const source = caller.value;
      const wait = rate(source, clock());
      if (wait > 0) return refused(refusal(429, 'throttled', problem('throttled', `This source may send ${source.requestsPerMinute ?? 0} requests a minute.`), { 'retry-after': String(wait) }), source);
      if (!operation.ok) return refused(operation.refusal, source);
      const fine = [permitted(operation.value, source), acceptsJson(head), sendsJson(head), fits(head, source)].find((each) => !each.ok);
      if (fine?.ok === false) return refused(fine.refusal, source);
      const done = inFlight(source);
      if (done === undefined) return refused(refusal(429, 'too-many-in-flight', problem('throttled', `This source may have ${source.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT} requests at one time.`), { 'retry-after': '1' }), source);
      const condition = head.headers['if-none-exist'];
      const asked: Asked = { source, preference: preferenceOf(head), ...(condition === undefined ? {} : { ifNoneExist: condition }) };
      return {
        maxBytes: maxBytesOf(source),
        done,
        busy: () => observe('busy', replyRefusal(BUSY), source),
        tooLarge: () => observe('too-large', replyRefusal(tooLarge(source)), source),
        take: async (body) => answerTo(desk, pool, { asked, operation: operation.value, query: head.query.toString(), bytes: body }).then(
          (done) => (done.ok ? observe(done.value.event, done.value.reply, source, body.length, done.value.ids) : observe(done.refusal.event, replyRefusal(done.refusal), source, body.length)),
          () => observe('exception', replyRefusal(EXCEPTION), source, body.length),
        ),
      };
    } catch {
      return refused(EXCEPTION);
    }
  };
  return { name: NAME, routes: [{ prefix: '/fhir', admit }] };
};

/** In a thread when it is large; what the thread pool can't take now is refused, nothing of it begun. */
const answerTo = async (desk: Desk, pool: Pool | undefined, task: Task): Promise<Result<Done>> => {
  if (pool === undefined || task.bytes.length <= pool.aboveBytes) return answer(desk, task);
  const result = await pool.run(desk.host, desk.config, task).catch((): Result<Done> => ({ ok: false, refusal: THREAD_LOST }));
  return result === 'full' ? { ok: false, refusal: BUSY } : result;
};

/** Fixed text: what went wrong inside is nobody's business outside, and may hold PHI. */
const EXCEPTION: Refusal = refusal(500, 'exception', problem('exception', 'This could not be handled, and nothing of it was stored. Tell the operator of this endpoint.'));

const BUSY: Refusal = refusal(503, 'busy', problem('transient', 'As much is being taken in as can be at one time, and nothing of this was. Send it again.'), { 'retry-after': '2' });

/** It may have been stored just before: sent again, it is then known. */
const THREAD_LOST: Refusal = refusal(503, 'thread-lost', problem('transient', 'This took too long, or too much. Send it again, in smaller parts if that does not help.'), { 'retry-after': '60' });

const maxBytesOf = ({ maxBytes }: SourceConfig): number => maxBytes ?? DEFAULT_MAX_BYTES;

const tooLarge = (source: SourceConfig): Refusal => refusal(413, 'too-large', problem('too-long', `A request of this source has at most ${maxBytesOf(source)} bytes.`));

const fits = ({ headers }: HttpHead, source: SourceConfig): Result<undefined> => {
  const length = Number(headers['content-length'] ?? 0);
  return length > maxBytesOf(source) ? { ok: false, refusal: tooLarge(source) } : { ok: true, value: undefined };
};

const permitted = (operation: Operation, { resourceTypes, directory, isScoped }: SourceConfig): Result<undefined> => {
  if (operation.kind === 'staff' && directory === undefined) return refuse(403, 'no-directory', problem('forbidden', 'This source may not change the directory.'));
  const may: readonly string[] = operation.kind === 'staff' ? (directory?.types ?? []) : resourceTypes;
  if ((operation.kind !== 'create' && operation.kind !== 'staff') || may.includes(operation.type)) return { ok: true, value: undefined };
  if (isScoped === true) return refuse(403, 'insufficient-scope', problem('forbidden', `The scopes of this access token do not let it create ${operation.type}.`), { 'www-authenticate': `Bearer realm="aceso", error="insufficient_scope", scope="system/${operation.type}.c"` });
  return refuse(403, 'forbidden', problem('forbidden', `This source may not send ${operation.type}.`));
};

/** Passes a reply on and tells the host of it: exactly one event for each request. */
const observer = (host: BridgeHost, clock: () => number, peer: string) => {
  const started = clock();
  return (code: string, reply: HttpReply, source?: SourceConfig, bytes?: number, ids?: readonly string[]): HttpReply => {
    host.observe({
      bridge: NAME, code, status: reply.status, durationMs: clock() - started, peer,
      ...(source === undefined ? {} : { source: source.id }), ...(bytes === undefined ? {} : { bytes }), ...(ids === undefined ? {} : { ids }),
    });
    return reply;
  };
};
