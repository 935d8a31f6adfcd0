/** The door under `/scim/v2`: an identity provider keeps the hospital's staff here (RFC 7643, RFC 7644). README.md of this folder tells it from outside. */
import type { Admission, AuthenticationFailure, Authenticator, Bridge, HttpHead, HttpReply, StaffDesk } from '../../src/ports/bridge.ts';
import { DEFAULT_MAX_IN_FLIGHT, MAX_BYTES, PAGE, type ScimConfig, type ScimSource } from './config.ts';
import { criteriaIn } from './filter.ts';
import { createGroup, deleteGroup, groupCriterion, listGroups, patchGroup, readGroup, replaceGroup, type Shown } from './groups.ts';
import { createLimits, type Limits } from './limits.ts';
import { done, listOf, refusal, refuse, replyJson, replyNothing, replyRefusal, type Refusal, type Result } from './reply.ts';
import { listOfAll, resourceTypes, schemas, serviceProviderConfig } from './schemas.ts';
import { isJson, type Json } from './user.ts';
import { createUser, deleteUser, listUsers, patchUser, readUser, replaceUser, userCriterion, type Desk } from './users.ts';

export type { ScimConfig, ScimSource } from './config.ts';
export { createLimits, type Limits } from './limits.ts';

const NAME = 'scim';

export type ScimParts = {
  readonly desk: StaffDesk;
  readonly authenticator: Authenticator;
  /** What sources have used of their limits, to go on counting where a door before this one was. */
  readonly limits?: Limits;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
};

type Asked = { readonly method: string; readonly kind: string; readonly id: string | undefined; readonly query: URLSearchParams };
type Answered = { readonly event: string; readonly reply: HttpReply };

export function createScim({ baseUrl, sources }: ScimConfig, { desk, authenticator, limits = createLimits(), clock = () => performance.now() }: ScimParts): Bridge {
  const base = baseUrl ?? '/scim/v2';
  const known = new Map(sources.map((source) => [source.id, source]));

  async function authorise(head: HttpHead): Promise<Result<ScimSource>> {
    const answer = await authenticator.authenticate(head);
    if (!answer.ok) return refusedLogin(answer.error.code, answer.error.message, answer.error.retryAfterMs);
    const { source: id, types } = answer.value;
    const source = known.get(id);
    return source === undefined ? refuse(403, 'no-scim', 'This source may not change the directory by SCIM.') : types !== undefined && !SCOPES.every((type) => types.includes(type)) ? refuse(403, 'insufficient-scope', `The scopes of this access token do not let it change the directory: it needs ${SCOPES.map((type) => `system/${type}.c`).join(' ')}.`) : done(source);
  }

  async function admit(head: HttpHead): Promise<Admission> {
    const started = clock();
    const observe = ({ event, reply }: Answered, source?: ScimSource, bytes?: number): HttpReply => {
      desk.observe({ bridge: NAME, code: event, status: reply.status, durationMs: clock() - started, peer: head.peer.address, ...(source === undefined ? {} : { source: source.id }), ...(bytes === undefined ? {} : { bytes }) });
      return reply;
    };
    const refused = (why: Refusal, source?: ScimSource, bytes?: number): HttpReply => observe({ event: why.event, reply: replyRefusal(why) }, source, bytes);
    try {
      const caller = await authorise(head);
      if (!caller.ok) return { reply: refused(caller.refusal) };
      const source = caller.value;
      const asked = askedFor(head);
      if (!asked.ok) return { reply: refused(asked.refusal, source) };
      const begun = limits(source, source.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT, clock());
      if (typeof begun === 'number') return { reply: refused(refusal(429, 'throttled', 'This source sends too much at one time.', { headers: { 'retry-after': String(begun) } }), source) };
      return {
        maxBytes: MAX_BYTES, done: begun,
        busy: () => refused(refusal(503, 'busy', 'As much is being taken in as can be at one time. Send it again.', { headers: { 'retry-after': '2' } }), source),
        tooLarge: () => refused(refusal(413, 'too-large', `A request has at most ${MAX_BYTES} bytes.`), source),
        take: (body) => answerTo({ desk, source, base }, asked.value, body).then((answered) => (answered.ok ? observe(answered.value, source, body.length) : refused(answered.refusal, source, body.length)), () => refused(EXCEPTION, source, body.length)),
      };
    } catch {
      return { reply: refused(EXCEPTION) };
    }
  }
  return { name: NAME, routes: [{ prefix: '/scim/v2', admit }] };
}

/** Fixed text: what went wrong inside is nobody's business outside. */
const EXCEPTION: Refusal = refusal(500, 'exception', 'This could not be handled. Tell the operator of this endpoint.');

function refusedLogin(code: AuthenticationFailure, message: string, retryAfterMs = 10_000): Result<never> {
  const retry = { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };
  switch (code) {
    case 'throttled': return refuse(429, 'login-throttled', message, { headers: retry });
    case 'unavailable': return refuse(503, 'login-unavailable', message, { headers: retry });
    case 'no-credentials': return refuse(401, 'no-credentials', message, { headers: { 'www-authenticate': 'Bearer realm="aceso"' } });
    default: return refuse(401, code, message, { headers: { 'www-authenticate': 'Bearer realm="aceso", error="invalid_token"' } });
  }
}

/** Of an access token with scopes: there are none of SCIM's own. */
const SCOPES = ['Practitioner', 'PractitionerRole'];

const KINDS: Readonly<Record<string, { readonly all: readonly string[]; readonly one: readonly string[] }>> = {
  Users: { all: ['GET', 'POST'], one: ['GET', 'PUT', 'PATCH', 'DELETE'] }, Groups: { all: ['GET', 'POST'], one: ['GET', 'PUT', 'PATCH', 'DELETE'] },
  ServiceProviderConfig: { all: ['GET'], one: [] }, ResourceTypes: { all: ['GET'], one: ['GET'] }, Schemas: { all: ['GET'], one: ['GET'] },
};

function askedFor({ method, path, query }: HttpHead): Result<Asked> {
  const [kind = '', id, ...more] = path.replace(/^\//u, '').replace(/\/$/u, '').split('/');
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  const methods = id === undefined ? known?.all : known?.one;
  if (methods === undefined || methods.length === 0 || more.length > 0 || (id !== undefined && !/^[A-Za-z0-9:.%-]{1,200}$/u.test(id))) return refuse(404, 'not-found', 'There is nothing here. This endpoint has Users, Groups, ServiceProviderConfig, ResourceTypes and Schemas.');
  if (!methods.includes(method)) return refuse(405, 'method-not-allowed', `Only ${methods.join(', ')} is allowed here.`, { headers: { allow: methods.join(', ') } });
  return done({ method, kind, id: id === undefined ? undefined : decodeURIComponent(id), query });
}

async function answerTo(at: Desk, { method, kind, id, query }: Asked, bytes: Uint8Array): Promise<Result<Answered>> {
  const shown: Shown = (query.get('excludedAttributes') ?? '').split(',').some((each) => each.trim().toLowerCase() === 'members') ? 'without-members' : 'with-members';
  if (kind !== 'Users' && kind !== 'Groups') return described(at.base, kind, id);
  if (id === undefined && method === 'GET') return listed(at, kind, query, shown);
  if (id !== undefined && method === 'GET') return told('read', 200, await (kind === 'Users' ? readUser(at, id) : readGroup(at, id, shown)));
  if (id !== undefined && method === 'DELETE') {
    const deleted = await (kind === 'Users' ? deleteUser(at, id) : deleteGroup(at, id));
    return deleted.ok ? done({ event: 'deleted', reply: replyNothing() }) : deleted;
  }
  const body = bodyOf(bytes);
  if (!body.ok) return body;
  if (id === undefined) return told('created', 201, await (kind === 'Users' ? createUser(at, body.value) : createGroup(at, body.value)));
  if (method === 'PUT') return told('replaced', 200, await (kind === 'Users' ? replaceUser(at, id, body.value) : replaceGroup(at, id, body.value)));
  return told('patched', 200, await (kind === 'Users' ? patchUser(at, id, body.value) : patchGroup(at, id, body.value, shown)));
}

function told(event: string, status: 200 | 201, result: Result<object>): Result<Answered> {
  if (!result.ok) return result;
  const { meta } = result.value as { readonly meta?: { readonly location?: string } };
  return done({ event, reply: replyJson(status, result.value, meta?.location === undefined ? {} : { location: meta.location }) });
}

function described(base: string, kind: string, id: string | undefined): Result<Answered> {
  if (kind === 'ServiceProviderConfig') return done({ event: 'described', reply: replyJson(200, serviceProviderConfig(base)) });
  const all = kind === 'Schemas' ? schemas(base) : resourceTypes(base);
  const one = id === undefined ? listOfAll(all) : all.get(id);
  return one === undefined ? refuse(404, 'not-found', 'There is nothing of this name.') : done({ event: 'described', reply: replyJson(200, one) });
}

/** Pages begin at 1 (RFC 7644 §3.4.2.4). */
async function listed(at: Desk, kind: 'Users' | 'Groups', query: URLSearchParams, shown: Shown): Promise<Result<Answered>> {
  const criteria = criteriaIn(query.get('filter'), kind === 'Users' ? userCriterion : groupCriterion);
  if (!criteria.ok) return criteria;
  const [from, many] = [Number(query.get('startIndex') ?? 1), Number(query.get('count') ?? PAGE)];
  if (!Number.isInteger(from) || !Number.isInteger(many)) return refuse(400, 'invalid-value', 'startIndex and count are whole numbers.', { scimType: 'invalidValue' });
  const all = await (kind === 'Users' ? listUsers(at, criteria.value) : listGroups(at, criteria.value, shown));
  if (!all.ok) return all;
  const start = Math.max(1, from);
  return done({ event: 'listed', reply: replyJson(200, listOf(all.value.slice(start - 1, start - 1 + Math.min(PAGE, Math.max(0, many))), all.value.length, start)) });
}

function bodyOf(bytes: Uint8Array): Result<Json> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isJson(value)) return done(value);
  } catch { /* said below */ }
  return refuse(400, 'malformed', 'The body is not a JSON object.', { scimType: 'invalidSyntax' });
}
