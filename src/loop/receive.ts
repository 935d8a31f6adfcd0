import { as, type Millis, type SourceId, type SubjectId } from '../domain/brand.ts';
import { isAwaited, isSent } from '../domain/clinical/attachment.ts';
import { fail, ok } from '../domain/outcome.ts';
import { PARTY_SYSTEM } from '../domain/people/party.ts';
import { staffId } from '../domain/people/staff.ts';
import { Sealed } from '../domain/sealed.ts';
import type { Arrival, BridgeHost, CareNews, ConsentNews, StaffNews } from '../ports/bridge.ts';
import type { Faults } from '../ports/faults.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { IncomingFact, Store } from '../ports/store.ts';
import { blobId } from './blobs.ts';
import type { Pace } from './pace.ts';
import type { Refusals } from './refusals.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';

export type SourceTerms = {
  /** Party that answers for a source's results when the data names nobody. */
  readonly pool?: string;
  readonly owner: string;
};

export type ReceiveParts = {
  readonly store: Store; readonly keys: KeyRing; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly faults: Faults;
  readonly terms: (source: SourceId) => SourceTerms;
  readonly nudge: () => void;
  readonly pace: Pace;
  readonly refusals: Pick<Refusals, 'note'>;
};

/** RECEIVE: stores what a bridge brings, once, and only then lets it say 2xx (invariant 1). */
export function createBridgeHost(parts: ReceiveParts): BridgeHost {
  const { store, log, metrics, faults } = parts;
  async function take(facts: readonly IncomingFact[]): ReturnType<BridgeHost['receive']> {
    try {
      faults.at('http.received');
      await parts.pace.wait();
      const taken = await store.receive(facts);
      faults.at('receive.committed');
      parts.nudge();
      for (const [index, { created }] of taken.entries()) metrics.count('facts_received', { outcome: created ? 'new' : 'known', resource: RESOURCES[facts[index]?.aggregate.kind ?? ''] ?? 'result' });
      return ok(taken);
    } catch (error) {
      log.error('receive.failed', { error: errorCode(error) });
      return fail('unavailable', 'the store cannot take it now', { retry: true, retryAfterMs: 5000 });
    }
  }
  return {
    async receive(arrivals) {
      const taken = await take(arrivals.map((arrival) => toFact(parts, arrival)));
      if (taken.ok) countAttachments(metrics, arrivals.filter((_, index) => taken.value[index]?.created));
      return taken;
    },
    staff: (news) => take(news.map((each) => ('said' in each ? staffFact(parts, each) : 'care' in each ? careFact(parts, each) : consentFact(parts, each)))),
    async find(source, name) {
      try {
        return ok(await store.findByName(source, name));
      } catch (error) {
        log.error('find.failed', { error: errorCode(error) });
        return fail('unavailable', 'the store cannot be asked now', { retry: true, retryAfterMs: 5000 });
      }
    },
    observe({ bridge, code, source, status, bytes, durationMs, ids, peer }) {
      metrics.count('http_requests', { bridge, code, status: String(status) });
      if (durationMs !== undefined) metrics.observe('http_seconds', durationMs / 1000, { bridge });
      if (status >= 400 && status !== 500) parts.refusals.note({ door: bridge, code, status, ...(source === undefined ? {} : { source }), ...(peer === undefined ? {} : { peer }) });
      // What strangers are refused is logged in sums (refusals.ts): a line for each would let them fill the disk.
      if (status >= 400 && status < 500 && source === undefined) return;
      const fields = { bridge, code, status, bytes, ms: durationMs === undefined ? undefined : Math.round(durationMs), source, ids: ids?.join(' ') };
      if (status >= 500) log.error('bridge.request', fields);
      else log.info('bridge.request', fields);
    },
  };
}

function countAttachments(metrics: Metrics, arrivals: readonly Arrival[]): void {
  for (const attachment of arrivals.flatMap(({ report }) => report.attachments ?? [])) metrics.count('attachments', isSent(attachment) ? { outcome: 'taken', kind: attachment.type } : { outcome: isAwaited(attachment) ? 'awaited' : attachment.refused, kind: '' });
}

const RESOURCES: Readonly<Record<string, string>> = { staff: 'staff', care: 'care', consent: 'consent' };

const staffFact = ({ now }: ReceiveParts, { key, said }: StaffNews): IncomingFact => ({ source: said.source, key, at: now(), aggregate: { kind: 'staff', id: staffId(said) }, body: { type: 'staff.said', ...said } });

/** Of the patient, and of the team, which a source may have named after them, nothing is written but a keyed pseudonym. */
const careFact = ({ keys, now }: ReceiveParts, { key, care, team, patientKeys, writtenAt }: CareNews): IncomingFact => ({
  source: care.source, key, at: now(), aggregate: { kind: 'care', id: keys.pseudonym('care-team', `${care.source} ${team}`) },
  body: { type: 'care.said', care, patients: [...new Set(patientKeys.map((each) => as<SubjectId>(keys.pseudonym('patient', each))))], ...(writtenAt === undefined ? {} : { writtenAt }) },
});

/** As with care teams; its terms are sealed, as of the first name of the patient: that somebody consented says what they are treated for. */
function consentFact({ keys, now }: ReceiveParts, { key, source, consent, patientKeys, terms, writtenAt }: ConsentNews): IncomingFact {
  const patients = [...new Set(patientKeys.map((each) => as<SubjectId>(keys.pseudonym('patient', each))))];
  const [subject] = patients;
  return {
    source, key, at: now(), aggregate: { kind: 'consent', id: keys.pseudonym('consent', `${source} ${consent}`) },
    body: { type: 'consent.said', source, patients, ...(terms === undefined || subject === undefined ? {} : { terms: Sealed.of(subject, terms) }), ...(writtenAt === undefined ? {} : { writtenAt }) },
  };
}

/** Names of the patient and of the report become keyed pseudonyms before anything is written. */
function toFact({ keys, now, terms }: ReceiveParts, arrival: Arrival): IncomingFact {
  const { source, key, names, files, patientKey, reportKey, report, resource, resourceType, candidates } = arrival;
  const subject = as<SubjectId>(keys.pseudonym('patient', patientKey));
  const { pool, owner } = terms(source);
  const blobs = [...files].map(([name, bytes]) => ({ name, id: blobId(keys, subject, name), content: Sealed.of(subject, bytes) }));
  return {
    source, key, names, at: now(), blobs,
    aggregate: { kind: 'report', id: keys.pseudonym('report', reportKey) },
    body: {
      type: 'result.received', source, resourceType, owner,
      report: Sealed.of(subject, report),
      resource: Sealed.of(subject, resource),
      ...(blobs.length > 0 ? { files: Sealed.of(subject, Object.fromEntries(blobs.map(({ name, id }) => [name, id]))) } : {}),
      candidates: pool === undefined ? candidates : [...candidates, { rule: 'pool', identifiers: [{ system: PARTY_SYSTEM, value: pool }] }],
    },
  };
}
