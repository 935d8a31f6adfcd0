import type { Millis, SourceId, SubjectId } from '../brand.ts';
import { identifierName } from '../people/party.ts';
import type { Identifier } from '../people/recipient.ts';
import type { Label } from '../policy/words.ts';
import type { Sealed } from '../sealed.ts';

/**
 * Whom a provision is about (`provision.actor`). `holder`: who had the post that it names when it was said, and may not have it any more. `organisation`: by names of the source's own, of which the hospital's configuration says whose staff that is. `unclear`: it can't be told who that is.
 * `stranger`: identifiers that led to nobody of the directory when it was said.
 */
export type Actor =
  | { readonly kind: 'person'; readonly identifiers: readonly Identifier[]; readonly holder?: readonly Identifier[]; readonly stranger?: true }
  | { readonly kind: 'organisation'; readonly names: readonly string[] }
  | { readonly kind: 'unclear' };

/** One provision (FHIR R4 §6.2.7.2 Consent.provision), with the exceptions to it. What it doesn't say doesn't narrow it. */
export type Provision = {
  readonly type?: 'permit' | 'deny';
  readonly from?: Millis;
  readonly until?: Millis;
  /** Recipients. Absent: none is named. */
  readonly actors?: readonly Actor[];
  /** Codes of v3-ActReason. */
  readonly purposes?: readonly string[];
  /** Labels of what it is about, as rules know them; `other`: one that they don't. */
  readonly labels?: readonly (Label | 'other')[];
  /** It has conditions of a kind that Aceso doesn't look at. */
  readonly unchecked?: true;
  readonly exceptions: readonly Provision[];
};

export type ConsentTerms = {
  /** It is given under 42 CFR Part 2 by its own word. */
  readonly part2: boolean;
  /** What holds where a provision has no type: the policy's own rule (`OPTIN`, `OPTOUT`). */
  readonly base?: 'permit' | 'deny';
  readonly provision: Provision;
};

/** A patient's Consent as one source has it. Its terms are sealed: that there is one under Part 2 says what the patient is treated for. */
export type Consent = { readonly source: SourceId; readonly terms: Sealed<ConsentTerms> };

/** What one source said last of one Consent. Without `terms` it permits and denies nothing: it was taken back. */
export type ConsentSaid = { readonly source: SourceId; readonly patients: readonly SubjectId[]; readonly terms?: Sealed<ConsentTerms>; readonly writtenAt?: Millis };

/** Who would read it: by any of these names, of that organisation. `organisations`: what a source's names of organisations mean here. */
export type Reader = { readonly names: ReadonlySet<string>; readonly organisation: string; readonly organisations: (source: SourceId) => Readonly<Record<string, string>> };

/** Result disclosures are for treatment. These are other purposes for certain; what is on neither list may be one that treatment falls under, or not. */
const TREATMENT = 'TREAT';
const OTHER_PURPOSES: ReadonlySet<string> = new Set(['HPAYMT', 'HOPERAT', 'HRESCH', 'HMARKT', 'PUBHLTH']);

/** A consent that permits it, and how far: what its reader is told (42 CFR 2.32(b)). */
export type Grant = { readonly consent: string; readonly scope: Scope };
export type Scope = { readonly to: 'person' | 'organisation'; readonly purposes: readonly string[]; readonly until?: Millis };

/**
 * The consents by which a Part 2 record may be disclosed to somebody for treatment now (42 CFR 2.31, 2.33(a)); none, when any Consent of the patient denies it. What isn't certain never
 * permits: the recipient and the purpose must be said (2.31(a)(4), (5)), and a condition that can't be checked narrows a permission to nothing. A denial it doesn't narrow at all.
 */
export function consentsFor(consents: Readonly<Record<string, Consent>>, reader: Reader, now: Millis): readonly Grant[] {
  const said = Object.entries(consents).map(([id, { source, terms }]) => {
    const { part2, base, provision } = terms.reveal();
    const effect = effectOf(provision, base, {}, { reader, source, now });
    return { consent: id, effect: effect === 'deny' || part2 ? effect : undefined };
  });
  if (said.some(({ effect }) => effect === 'deny')) return [];
  return said.flatMap(({ consent, effect }) => (effect === undefined || effect === 'deny' ? [] : [{ consent, scope: effect }]));
}

type Fit = 'yes' | 'perhaps' | 'no';
type Asked = { readonly reader: Reader; readonly source: SourceId; readonly now: Millis };

/** An exception holds within what it is an exception to, and goes before it; of several, a denial. `above`: what is said so far, on the way down to it. */
function effectOf(provision: Provision, base: Provision['type'], above: Partial<Scope>, asked: Asked): Scope | 'deny' | undefined {
  const fit = fitOf(provision, asked);
  if (fit === 'no') return undefined;
  const said = { ...above, ...saidIn(provision, above, asked) };
  // One without a type, which R4 asks for there, may have been meant to deny.
  const exceptions = provision.exceptions.map((exception) => effectOf({ type: 'deny', ...exception }, undefined, said, asked));
  if (exceptions.includes('deny')) return 'deny';
  const permitted = exceptions.find((each) => each !== undefined);
  if (permitted !== undefined && fit === 'yes') return permitted;
  // Under a policy that denies everything, R4 lets the provision itself have no type: one that permits contradicts it.
  const type = base === 'deny' ? base : (provision.type ?? base);
  if (type !== 'permit') return type;
  const { to, purposes, until } = said;
  return fit === 'yes' && to !== undefined && purposes !== undefined ? { to, purposes, ...(until === undefined ? {} : { until }) } : undefined;
}

function saidIn({ actors = [], purposes, until }: Provision, above: Partial<Scope>, { reader, source }: Asked): Partial<Scope> {
  const named = actors.find((actor) => isReader(actor, reader, source) === 'yes');
  const ends = [until, above.until].filter((at) => at !== undefined);
  return {
    ...(named === undefined || named.kind === 'unclear' ? {} : { to: named.kind }), ...(purposes === undefined ? {} : { purposes }),
    ...(ends.length === 0 ? {} : { until: ends.reduce((first, at) => (at < first ? at : first)) }),
  };
}

function fitOf({ from, until, actors, purposes, labels, unchecked }: Provision, { reader, source, now }: Asked): Fit {
  if ((from !== undefined && now < from) || (until !== undefined && until <= now)) return 'no';
  return worst([unchecked ? 'perhaps' : 'yes', actors === undefined ? 'yes' : best(actors.map((actor) => isReader(actor, reader, source))), purposesFit(purposes), labelsFit(labels)]);
}

const ORDER: readonly Fit[] = ['no', 'perhaps', 'yes'];
const worst = (fits: readonly Fit[]): Fit => ORDER.find((fit) => fits.includes(fit)) ?? 'yes';
const best = (fits: readonly Fit[]): Fit => ORDER.findLast((fit) => fits.includes(fit)) ?? 'no';

function isReader(actor: Actor, { names, organisation, organisations }: Reader, source: SourceId): Fit {
  switch (actor.kind) {
    case 'person': {
      const isOne = (identifiers: readonly Identifier[]): boolean => identifiers.some((each) => names.has(identifierName(each)));
      return isOne(actor.identifiers) ? 'yes' : actor.stranger || isOne(actor.holder ?? []) ? 'perhaps' : 'no';
    }
    case 'organisation': {
      const known = actor.names.map((name) => organisations(source)[name]).find((each) => each !== undefined);
      return known === undefined ? 'perhaps' : known === organisation ? 'yes' : 'no';
    }
    case 'unclear': return 'perhaps';
  }
}

const purposesFit = (purposes: Provision['purposes']): Fit => (purposes === undefined || purposes.includes(TREATMENT) ? 'yes' : purposes.every((code) => OTHER_PURPOSES.has(code)) ? 'no' : 'perhaps');

const labelsFit = (labels: Provision['labels']): Fit => (labels === undefined || (labels.includes('part2') && !labels.includes('other')) ? 'yes' : 'perhaps');

/** When one of its provisions begins or ends next. */
export function turnsOf({ terms }: Consent): readonly Millis[] {
  const turns = ({ from, until, exceptions }: Provision): readonly Millis[] => [from, until, ...exceptions.flatMap(turns)].filter((at) => at !== undefined);
  return turns(terms.reveal().provision);
}

/** With a mark at whom it names and the directory doesn't know: a denial of them counts for everybody. */
export const marked = (terms: ConsentTerms, isKnown: (identifiers: readonly Identifier[]) => boolean): ConsentTerms => {
  const within = (provision: Provision): Provision => ({
    ...provision, exceptions: provision.exceptions.map(within),
    ...(provision.actors === undefined ? {} : { actors: provision.actors.map((actor) => (actor.kind === 'person' && !isKnown(namesIn(actor)) ? { ...actor, stranger: true } : actor)) }),
  });
  return { ...terms, provision: within(terms.provision) };
};

/** Everybody whom it names. */
export function peopleIn({ provision }: ConsentTerms): readonly Identifier[] {
  const within = ({ actors = [], exceptions }: Provision): readonly Identifier[] => [...actors.flatMap((actor) => (actor.kind === 'person' ? namesIn(actor) : [])), ...exceptions.flatMap(within)];
  return within(provision);
}

const namesIn = ({ identifiers, holder = [] }: Extract<Actor, { readonly kind: 'person' }>): readonly Identifier[] => [...identifiers, ...holder];
