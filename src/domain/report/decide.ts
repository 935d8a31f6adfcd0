import { as, type DeliveryId } from '../brand.ts';
import { isAwaited, isRefused, isSent } from '../clinical/attachment.ts';
import { attachmentsIn, compare, isCriticalNews, remember, type Telling } from '../clinical/news.ts';
import { render } from '../clinical/render.ts';
import { renderFile } from '../clinical/renderFile.ts';
import type { AuditEntry, Context, Decision, Lookup } from '../decision.ts';
import type { DeliveryFile, Fact, FactOf, RaisedFact } from '../fact.ts';
import type { Party } from '../people/party.ts';
import { lookupsOf, resolve } from '../people/resolve.ts';
import { labelsOf } from '../policy/labels.ts';
import { redisclosureNotice } from '../policy/redisclosure.ts';
import type { Label } from '../policy/words.ts';
import type { Sealed } from '../sealed.ts';
import { lastTold, type ReportState, type Told } from './report.ts';

type ReportDecision = Decision<ReportState | undefined>;
type Target = { readonly party?: Party; readonly rule?: string; readonly why?: string };

export const lookupsOfReport = ({ body }: Fact): readonly Lookup[] => (body.type === 'result.received' ? lookupsOf(body.candidates) : []);

/**
 * What a report that came in has to tell, and whom. A panel sent again tells only what changed; a correction tells everybody who had the
 * old one, as a message of its own (42 CFR 493.1291(g), (k)).
 */
export function decideReport(state: ReportState | undefined, fact: Fact, context: Context): ReportDecision {
  switch (fact.body.type) {
    case 'result.received':
      return received(state, fact, fact.body, context);
    case 'delivery.assigned': {
      const { delivery, party } = fact.body;
      if (!state) return { state, audit: [] };
      return { state: { ...state, told: state.told.map((told) => (told.delivery === delivery ? { delivery, party } : told)) }, audit: [{ action: 'report.assigned', because: 'a held delivery was given to somebody', detail: { delivery, party: party.id } }] };
    }
    default:
      return { state, audit: [{ action: 'report.ignored', because: `a report has no rule for ${fact.body.type}` }] };
  }
}

function received(before: ReportState | undefined, fact: Fact, body: FactOf<'result.received'>, context: Context): ReportDecision {
  const report = body.report.reveal();
  const known = before?.known.reveal();
  const news = compare(known, report);
  const remembered = body.report.map(() => remember(known, report));
  const versions = (before?.versions ?? 0) + 1;
  const labels = labelsSoFar(before, body);
  const keep = { source: body.source, known: remembered, versions, changedAt: fact.at, ...(labels.reveal().length > 0 ? { labels } : {}) };
  if (news.kind === 'nothing') {
    return { state: { ...keep, told: before?.told ?? [] }, audit: [{ action: 'report.unchanged', because: news.why, detail: { versions } }] };
  }
  const targets = targetsOf(before, body, context);
  const deliveries = targets.map((target, index) => toDelivery(before, fact, body, news, target, index, context));
  return {
    state: { ...keep, told: [...(before?.told ?? []), ...deliveries.map(({ told }) => told)] },
    raise: deliveries.flatMap(({ raised }) => raised),
    audit: [{ action: `report.${news.kind}`, because: 'it tells something new', detail: { versions, deliveries: deliveries.length } }, ...refusedIn(news, body)],
  };
}

/** Once labelled, always: what a correction tells holds what was labelled. */
const labelsSoFar = (before: ReportState | undefined, { resource }: FactOf<'result.received'>): Sealed<readonly Label[]> =>
  resource.map((text) => [...new Set([...(before?.labels?.reveal() ?? []), ...labelsOf(text)])].sort());

/** Attachments that are not sent on, by reason: the message says so too. */
const refusedIn = (news: Telling, { report, source }: FactOf<'result.received'>): readonly AuditEntry[] =>
  attachmentsIn(news, report.reveal()).flatMap((each) => (isRefused(each) ? [{ action: 'attachment.refused', because: each.refused, detail: { source, attachment: each.name } }] : []));

/** Those responsible now, and everybody who was told before. Nobody found and nobody told: one delivery without a party, to be held. */
function targetsOf(before: ReportState | undefined, body: FactOf<'result.received'>, context: Context): readonly Target[] {
  const resolution = resolve(body.candidates, context);
  const targets = new Map<string, Target>('parties' in resolution ? resolution.parties.map(({ party, rule }) => [party.id, { party, rule }]) : []);
  for (const { party } of before?.told ?? []) if (party && !targets.has(party.id)) targets.set(party.id, { party, rule: 'had the earlier message' });
  if (targets.size > 0) return [...targets.values()];
  return [{ why: 'why' in resolution ? resolution.why : 'nobody responsible could be found' }];
}

function toDelivery(before: ReportState | undefined, fact: Fact, body: FactOf<'result.received'>, newsForAll: Telling, target: Target, index: number, { settings }: Context): { readonly told: Told; readonly raised: readonly RaisedFact[] } {
  const id = as<DeliveryId>(`${fact.id}-${index}`);
  const { party, rule, why } = target;
  const earlier = lastTold(before, party?.id);
  // Whoever hears of this report for the first time hears all of it; but an older version that came late is not shown to them as the current one.
  const isLate = newsForAll.kind === 'more' && newsForAll.changes.version === 'late';
  const news: Telling = earlier === undefined && !isLate ? { kind: 'first' } : newsForAll;
  const supersedes = news.kind === 'correction' ? earlier : undefined;
  const labels = labelsSoFar(before, body);
  const content = body.report.map((report) => render(report, news, {
    from: settings.organisation, to: (party?.members ?? []).map((userId) => ({ userId, name: party?.name ?? '' })), deliveryId: id,
    notice: redisclosureNotice(labels.reveal()), fhir: body.resource.reveal(), resourceType: body.resourceType, ...(supersedes ? { supersedes } : {}),
  }));
  const files = filesOf(body, news, id);
  return {
    told: { delivery: id, ...(party ? { party } : {}) },
    raised: [...(supersedes ? [{ aggregate: { kind: 'delivery', id: supersedes }, body: { type: 'delivery.superseded', by: id } } as const] : []), {
      aggregate: { kind: 'delivery', id },
      body: {
        type: 'delivery.requested', report: as(fact.aggregate.id), source: body.source, owner: body.owner, content, acceptedAt: fact.at, news: news.kind, critical: isCriticalNews(news, body.report.reveal()),
        ...(party ? { party } : {}), ...(rule ? { rule } : {}), ...(why ? { why } : {}), ...(supersedes ? { supersedes } : {}), ...(files.length > 0 ? { files } : {}),
        ...(labels.reveal().length > 0 ? { labels } : {}),
      },
    }],
  };
}

const filesOf = ({ report, files }: FactOf<'result.received'>, news: Telling, id: DeliveryId): readonly DeliveryFile[] =>
  attachmentsIn(news, report.reveal()).flatMap((attachment): readonly DeliveryFile[] => {
    if (isAwaited(attachment)) return [{ name: attachment.name, awaited: report.map(() => attachment.awaited) }];
    const blob = files?.reveal()[attachment.key];
    return isSent(attachment) && blob !== undefined ? [{ name: attachment.name, blob, content: report.map(() => renderFile(attachment, id)) }] : [];
  });
