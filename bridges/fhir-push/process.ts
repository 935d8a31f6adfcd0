/** From the entries of a bundle to receipts: all or nothing, or each by itself. */
import type { Arrival, CareNews, ConsentNews, Receipt, StaffNews } from '../../src/ports/bridge.ts';
import { arrivalOf } from './arrival.ts';
import type { Entry, Opened } from './bundle.ts';
import type { Asked, Desk } from './create.ts';
import { newsOf } from './extract/news.ts';
import { conditionName, verdictOn } from './ifNoneExist.ts';
import type { Node } from './node.ts';
import { problem, refuse } from './outcome.ts';
import type { Issue, Result } from './outcome.ts';
import { receiveAll, staffTaken } from './receive.ts';
import { reachable } from './reference.ts';

/** What became of an entry. */
export type Fate =
  | { readonly kind: 'stored'; readonly receipt: Receipt; readonly status: 200 | 201 }
  | { readonly kind: 'part'; readonly owner: number }
  | { readonly kind: 'context' }
  | { readonly kind: 'said' }
  | { readonly kind: 'refused'; readonly status: number; readonly issues: readonly Issue[] };

type Prepared = Fate | { readonly kind: 'arrival'; readonly arrival: Arrival; readonly verdict: 'new' | 'version' } | { readonly kind: 'staff'; readonly news: StaffNews | CareNews | ConsentNews };

/** FHIR R4 §3.1.0.11.2: a transaction fails as a whole. The answer carries every entry's issues, and the status of the first. */
export const processWhole = async (desk: Desk, asked: Asked, { entries, scope }: Opened): Promise<Result<readonly Fate[]>> => {
  const prepared: Prepared[] = [];
  for (const entry of entries) {
    const fate = await prepare(desk, asked, entry, scope);
    if (!fate.ok) return fate;
    prepared.push(fate.value);
  }
  const refused = prepared.filter((each) => each.kind === 'refused');
  const [first] = refused;
  if (first !== undefined) {
    return { ok: false, refusal: { status: refused.some(({ status }) => status === 403) ? 403 : first.status, event: 'bundle-refused', issues: refused.flatMap(({ issues }) => issues) } };
  }
  if (!entries.some(({ role }) => role === 'deliver' || role === 'staff')) {
    return refuse(422, 'nothing-to-deliver', problem('business-rule', 'This bundle holds nothing that becomes a delivery: no DiagnosticReport, Observation, Communication or CommunicationRequest.', 'Bundle.entry'));
  }
  return storeAll(desk, prepared);
};

/** FHIR R4 §3.1.0.11.1: each entry of a batch succeeds or fails by itself. What is stored is stored in one transaction. */
export const processEach = async (desk: Desk, asked: Asked, { entries, scope }: Opened, invalid: ReadonlyMap<number, readonly Issue[]>): Promise<Result<readonly Fate[]>> => {
  const checked = entries.map((entry) => {
    const issues = invalid.get(entry.index);
    return issues === undefined ? entry : { ...entry, fault: { status: 422, issues } };
  });
  const faulty = new Map(checked.flatMap(({ member, fault, index }) => (fault === undefined ? [] : [[member.node, index] as const])));
  const prepared: Prepared[] = [];
  for (const entry of checked) {
    const fate = await prepare(desk, asked, withItsNeeds(entry, faulty, scope), scope);
    if (!fate.ok && fate.refusal.status === 503) return fate;
    prepared.push(fate.ok ? fate.value : { kind: 'refused', status: fate.refusal.status, issues: fate.refusal.issues });
  }
  return storeAll(desk, prepared.map((fate) => (fate.kind === 'part' && prepared[fate.owner]?.kind === 'refused' ? failedWith(fate.owner) : fate)));
};

/** What would be told out of a resource that was refused is not told. */
const withItsNeeds = (entry: Entry, faulty: ReadonlyMap<Node, number>, scope: Opened['scope']): Entry => {
  if (entry.fault !== undefined || entry.role !== 'deliver') return entry;
  const needed = [...reachable(entry.member, scope)].map((node) => faulty.get(node)).find((index) => index !== undefined);
  return needed === undefined ? entry : { ...entry, fault: failedWith(needed) };
};

const failedWith = (index: number): Fate & { readonly kind: 'refused' } =>
  ({ kind: 'refused', status: 424, issues: [problem('business-rule', 'An entry that this one needs was refused.', `Bundle.entry[${index}].resource`)] });

const prepare = async (desk: Desk, asked: Asked, entry: Entry, scope: Opened['scope']): Promise<Result<Prepared>> => {
  const { fault, role, owner, member, type } = entry;
  if (fault !== undefined) return { ok: true, value: { kind: 'refused', status: fault.status, issues: fault.issues } };
  if (role === 'part' && owner !== undefined) return { ok: true, value: { kind: 'part', owner } };
  if (role === 'staff') {
    const said = newsOf(member, scope);
    return { ok: true, value: 'issues' in said ? { kind: 'refused', status: 422, issues: said.issues } : { kind: 'staff', news: said.news } };
  }
  if (role !== 'deliver') return { ok: true, value: { kind: 'context' } };
  const at = `Bundle.entry[${entry.index}].request.ifNoneExist`;
  const condition = entry.ifNoneExist === undefined ? undefined : conditionName(type, entry.ifNoneExist, at);
  if (condition?.ok === false) return condition;
  const found = await arrivalOf(member, scope, condition?.value);
  if ('issues' in found) return { ok: true, value: { kind: 'refused', status: 422, issues: found.issues } };
  const verdict = await verdictOn(desk.host, asked.source, condition?.value, found.contentName, at);
  if (!verdict.ok) return verdict;
  return { ok: true, value: verdict.value.kind === 'known' ? { kind: 'stored', receipt: verdict.value.receipt, status: 200 } : { kind: 'arrival', arrival: found.arrival, verdict: verdict.value.kind } };
};

/** A bundle has arrivals or what is said of staff, never both: what is stored is stored in one transaction. */
const storeAll = async ({ host }: Desk, prepared: readonly Prepared[]): Promise<Result<readonly Fate[]>> => {
  const received = await receiveAll(host, prepared.flatMap((each) => (each.kind === 'arrival' ? [each.arrival] : [])));
  if (!received.ok) return received;
  const said = await staffTaken(host, prepared.flatMap((each) => (each.kind === 'staff' ? [each.news] : [])));
  if (!said.ok) return said;
  const receipts = received.value.values();
  return { ok: true, value: prepared.map((each): Fate => {
    if (each.kind === 'staff') return { kind: 'said' };
    if (each.kind !== 'arrival') return each;
    const { value: receipt, done } = receipts.next();
    if (done === true) throw new Error('fewer receipts than arrivals');
    return { kind: 'stored', receipt, status: receipt.created && each.verdict === 'new' ? 201 : 200 };
  }) };
};
