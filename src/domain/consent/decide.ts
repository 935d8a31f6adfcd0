import type { SourceId, SubjectId } from '../brand.ts';
import type { Context, Decision, Lookup } from '../decision.ts';
import type { Fact, FactOf, RaisedFact } from '../fact.ts';
import { identifierName } from '../people/party.ts';
import type { Identifier } from '../people/recipient.ts';
import { ownSystem, postName, type Staff } from '../people/staff.ts';
import { marked, peopleIn, type Consent, type ConsentSaid } from './consent.ts';

/** Whom it names: each by an identifier, or by the source's own name of a post. */
export const lookupsOfConsent = ({ body }: Fact): readonly Lookup[] =>
  (body.type === 'consent.said' && body.terms !== undefined ? peopleIn(body.terms.reveal()) : []).flatMap((each): readonly Lookup[] => [{ kind: 'party', name: identifierName(each) }, ...postLookup(each, body)]);

const postLookup = ({ system, value }: Identifier, body: Fact['body']): readonly Lookup[] => (body.type === 'consent.said' && system === ownSystem(body.source) ? [{ kind: 'staff', name: postName(body.source, value) }] : []);

/**
 * What a source says of a Consent (42 CFR 2.31): given, changed or taken back, which counts from this instant on. The patients it was about and is no more lose it; an older version that comes
 * late changes nothing. Whom it names and the directory doesn't know is marked: a denial that may be about anybody is about everybody.
 */
export function decideConsent(before: ConsentSaid | undefined, { aggregate: { id }, body }: Fact, { found }: Pick<Context, 'found'>): Decision<ConsentSaid | undefined> {
  if (body.type !== 'consent.said') return { state: before, audit: [{ action: 'consent.ignored', because: `a consent has no rule for ${body.type}` }] };
  const { source, patients } = body;
  // A version that doesn't say when it was written doesn't make an older one newer.
  const writtenAt = body.writtenAt ?? before?.writtenAt;
  if (writtenAt !== undefined && before?.writtenAt !== undefined && writtenAt < before.writtenAt) return { state: before, audit: [{ action: 'consent.older', because: 'the source wrote it before what it said last', detail: { source, consent: id } }] };
  const terms = body.terms?.map((each) => marked(each, (identifiers) => isKnown(identifiers, source, found)));
  const state: ConsentSaid = { source, patients, ...(terms === undefined ? {} : { terms }), ...(writtenAt === undefined ? {} : { writtenAt }) };
  if (before !== undefined && same(before, state)) return { state, audit: [] };
  const gone = (before?.patients ?? []).filter((patient) => !patients.includes(patient));
  return { state, raise: [...gone.map((patient) => tell(patient, id)), ...patients.map((patient) => tell(patient, id, terms && { source, terms }))], audit: [{ action: terms === undefined ? 'consent.ended' : 'consent.changed', because: `by ${source}`, detail: { source, consent: id, patients: patients.length } }] };
}

const tell = (patient: SubjectId, consent: string, said?: Consent): RaisedFact => ({ aggregate: { kind: 'patient', id: patient }, body: { type: 'patient.consent', consent, ...(said === undefined ? {} : { said }) } satisfies FactOf<'patient.consent'> });

const same = (one: ConsentSaid, other: ConsentSaid): boolean => JSON.stringify([one.patients, one.terms?.reveal()]) === JSON.stringify([other.patients, other.terms?.reveal()]);

const isKnown = (identifiers: readonly Identifier[], source: SourceId, found: Context['found']): boolean =>
  identifiers.some((each) => found.has(identifierName(each)) || (each.system === ownSystem(source) && (found.get(postName(source, each.value))?.state as Staff | undefined)?.party !== undefined));
