/** Consent as what a patient permits and denies of records under 42 CFR Part 2. Nothing is concluded that it doesn't say; what can't be told is said to be unclear. */
import { randomUUID } from 'node:crypto';
import type { Actor, ConsentTerms, Provision } from '../../../src/domain/consent/consent.ts';
import { isPart2, labelOf } from '../../../src/domain/policy/labels.ts';
import type { Label } from '../../../src/domain/policy/words.ts';
import type { ConsentNews } from '../../../src/ports/bridge.ts';
import { child, children, text } from '../node.ts';
import type { Node } from '../node.ts';
import { problem } from '../outcome.ts';
import type { Issue } from '../outcome.ts';
import { referencedType } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { holderNames, namesOf } from './care.ts';
import { patientKeys } from './patient.ts';
import { hasNul, instant, isInstant, keyOf, LONGEST, organisationNames, ownName, writtenAt } from './staff.ts';

/** More would be a rule book, not what somebody signed; each is read whenever a labelled result of the patient is sent. */
const MOST_PROVISIONS = 200;
const MOST_ACTORS = 500;

export const consentOf = (located: Located, scope: Scope): { readonly news: ConsentNews } | { readonly issues: readonly Issue[] } => {
  const { node, path } = located;
  const refused = (code: Issue['code'], diagnostics: string, at = path): { readonly issues: readonly Issue[] } => ({ issues: [problem(code, diagnostics, at)] });
  const consent = ownName(located, scope);
  if (consent === undefined) return refused('required', 'An id or an identifier is required: nothing else could name it again.');
  // Sent by itself it has another name, and what takes it back would be about another Consent.
  if (/^https?:/iu.test(consent) && scope.source.fhirBase === undefined) return refused('business-rule', 'Which Consent this is can\'t be told: its fullUrl is an absolute address, and Aceso doesn\'t know that of this source. Have fhir_base set for it, or send it by PUT.');
  const patient = child(node, 'patient');
  const target = scope.resolve(patient, located);
  const type = referencedType(patient, target);
  if (type !== undefined && type !== 'Patient') return refused('not-supported', 'A Consent is taken of one Patient.', `${path}.patient`);
  const keys = patient === undefined ? [] : patientKeys(patient, target, scope);
  if (patient !== undefined && keys.length === 0) return refused('required', 'The patient has no identification: give an identifier, or a reference that names it.', `${path}.patient`);
  const all = provisionsIn(child(node, 'provision'));
  if (all.length > MOST_PROVISIONS || all.some((each) => children(each, 'actor').length > MOST_ACTORS)) return refused('too-costly', `A Consent has at most ${MOST_PROVISIONS} provisions, and each at most ${MOST_ACTORS} actors.`, `${path}.provision`);
  const terms = keys.length === 0 || text(node, 'status') !== 'active' ? undefined : termsOf(located, scope);
  if (!isStorable(terms?.provision)) return refused('value', `Identifiers and references are at most ${LONGEST} characters long, with their system, and no text has a NUL character.`);
  // A denial would be heard by results that name the patient so, and by no others.
  if (terms !== undefined && keys.every((key) => key.startsWith(`${scope.localSystem}|`))) return refused('required', 'The patient is named by a reference alone: give an identifier too, as results do.', `${path}.patient`);
  return { news: { key: keyOf(node, mayRepeat(terms) ? [terms, consent, keys] : randomUUID()), source: scope.source.id, consent, patientKeys: keys, ...(terms === undefined ? {} : { terms }), ...writtenAt(node) } };
};

/**
 * Where a source's versions all look alike, a permission in the words of a former one may be that one, come late: it is taken once. What takes back or denies counts each time that it is
 * said; said again, it changes nothing.
 */
const mayRepeat = (terms: ConsentTerms | undefined): boolean => terms !== undefined && terms.base !== 'deny' && permitsOnly(terms.provision);
const permitsOnly = ({ type, exceptions }: Provision): boolean => type !== 'deny' && exceptions.every((each) => each.type !== undefined && permitsOnly(each));

const provisionsIn = (provision: Node | undefined): readonly Node[] => (provision === undefined ? [] : [provision, ...children(provision, 'provision').flatMap(provisionsIn)]);

const isStorable = (provision: Provision | undefined): boolean =>
  provision === undefined || (!hasNul(provision) && (provision.actors ?? []).every((actor) => (actor.kind === 'person' ? [...actor.identifiers, ...(actor.holder ?? [])].map(({ system, value }) => `${system}|${value}`) : actor.kind === 'organisation' ? actor.names : []).every((name) => name.length < LONGEST)) && provision.exceptions.every(isStorable));

/** Those that are of something else than records: taking part in research, a treatment, an advance directive. Unless they say Part 2. */
const OF_SOMETHING_ELSE: ReadonlySet<string> = new Set(['research', 'treatment', 'adr']);

const termsOf = (located: Located, scope: Scope): ConsentTerms | undefined => {
  const { node } = located;
  const root = child(node, 'provision');
  const rule = codesIn(child(node, 'policyRule'));
  const about = codesIn(child(node, 'scope'));
  const part2 = [...about, ...children(node, 'category').flatMap(codesIn), ...rule, ...codes(children(root, 'securityLabel'))].some(isPart2);
  if (!part2 && about.length > 0 && about.every((code) => OF_SOMETHING_ELSE.has(code))) return undefined;
  const base = rule.some((code) => code.startsWith('OPTOUT')) ? 'deny' : rule.some((code) => code.startsWith('OPTIN')) ? 'permit' : undefined;
  const provision = root === undefined ? { exceptions: [] } : provisionOf(root, located, scope);
  // Somebody was asked whether the patient meant it, and didn't confirm it; which word was the last isn't certain, for their dates may be left out.
  const unconfirmed = children(node, 'verification').some((each) => text(each, 'verified') === 'false');
  return { part2, ...(base === undefined ? {} : { base }), provision: unconfirmed ? { ...provision, unchecked: true } : provision };
};

const provisionOf = (node: Node, located: Located, scope: Scope): Provision => {
  const type = text(node, 'type');
  const period = child(node, 'period');
  const actors = children(node, 'actor');
  const purposes = children(node, 'purpose');
  const labels = children(node, 'securityLabel');
  return {
    ...(type === 'permit' || type === 'deny' ? { type } : {}), ...instant('from', text(period, 'start'), 'start'), ...instant('until', text(period, 'end'), 'end'),
    ...(actors.length === 0 ? {} : { actors: recipientsAmong(actors).flatMap((actor) => actorOf(actor, located, scope)) }),
    ...(purposes.length === 0 ? {} : { purposes: codes(purposes) }),
    ...(labels.length === 0 ? {} : { labels: [...new Set(labels.map((each) => labelIn(text(each, 'code') ?? '')))] }),
    ...(isChecked(node) ? {} : { unchecked: true }),
    exceptions: children(node, 'provision').map((each) => provisionOf(each, located, scope)),
  };
};

/** A sensitivity (alcohol, opioids) counts as Part 2 in what protects; a consent to that one is none to the others. */
const labelIn = (code: string): Label | 'other' => (isPart2(code) ? 'part2' : labelOf(code) === 'restricted' ? 'restricted' : 'other');

/** A period that can't be read; `action` that is none of disclosing; classes, codes, dates and instances of data: nothing here looks at them. */
const isChecked = (node: Node): boolean => {
  const actions = children(node, 'action').flatMap(codesIn);
  const isDated = ['start', 'end'].every((edge) => isInstant(text(child(node, 'period'), edge)));
  return isDated && (children(node, 'action').length === 0 || actions.some((code) => code === 'disclose' || code === 'access')) && ['class', 'code', 'data'].every((name) => children(node, name).length === 0) && child(node, 'dataPeriod') === undefined;
};

/** Primary and other recipients of information (v3-ParticipationType). Where actors have other parts alone, it isn't clear who may not have it. */
const RECIPIENTS: ReadonlySet<string> = new Set(['IRCP', 'PRCP']);
const recipientsAmong = (actors: readonly Node[]): readonly (Node | undefined)[] => {
  const recipients = actors.filter((actor) => codesIn(child(actor, 'role')).some((code) => RECIPIENTS.has(code)));
  return recipients.length === 0 ? [undefined] : recipients;
};

const actorOf = (actor: Node | undefined, located: Located, scope: Scope): readonly Actor[] => {
  const reference = child(actor, 'reference');
  const target = scope.resolve(reference, located);
  switch (reference === undefined ? undefined : referencedType(reference, target)) {
    case 'Practitioner': case 'PractitionerRole': {
      const [identifiers, holder] = reference === undefined ? [[], []] : [namesOf(reference, target, scope), holderNames(target, scope)];
      return identifiers.length === 0 ? [{ kind: 'unclear' }] : [{ kind: 'person', identifiers, ...(holder.length === 0 ? {} : { holder }) }];
    }
    case 'Organization': {
      const names = reference === undefined ? [] : organisationNames(reference, located, scope);
      return names.length === 0 ? [{ kind: 'unclear' }] : [{ kind: 'organisation', names }];
    }
    // The patient's own people are nobody who gets results here.
    case 'RelatedPerson': case 'Patient': return [];
    default: return [{ kind: 'unclear' }];
  }
};

const codes = (codings: readonly Node[]): readonly string[] => codings.map((coding) => text(coding, 'code') ?? '');
const codesIn = (concept: Node | undefined): readonly string[] => codes(children(concept, 'coding'));
