import type { Millis, PartyId, SourceId, UserId } from '../brand.ts';
import type { FeedTerms } from '../decision.ts';
import { identifierName, personName } from './party.ts';
import type { Identifier } from './recipient.ts';

/** What a source says of somebody: a FHIR Practitioner, a SCIM User. */
export type PersonSaid = {
  readonly identifiers: readonly Identifier[];
  /** Only where the source has it in so many words: nobody gets a Matrix id by guesswork. */
  readonly userId?: UserId;
  readonly name?: string;
  readonly active: boolean;
  /** Said of the person rather than of a post. */
  readonly organisation?: readonly string[];
  readonly department?: string;
  /** When the source wrote it (`meta.lastUpdated`): something older that comes later changes nothing. */
  readonly writtenAt?: Millis;
  readonly kept?: Kept;
};

/**
 * What a source that reads back what it said (SCIM) finds again. `base`: the token of what it was made from, or none when there was nothing: made from anything else by now, it is not taken,
 * so that of two changes at one time none undoes the other.
 */
export type Kept = { readonly token: string; readonly base: string; readonly gone?: true; readonly attributes: Readonly<Record<string, string>> };
export const NOTHING_KEPT = 'none';

export const tokenOf = (kept: Kept | undefined): string => (kept === undefined || kept.gone ? NOTHING_KEPT : kept.token);

/** A group that a source has; who is in it, its people's posts say. */
export type GroupSaid = { readonly kept: Kept };

/** A place somebody has: a FHIR PractitionerRole, a membership in a SCIM Group. */
export type PostSaid = {
  /** What it says of whose it is, beside the source's own name of them. */
  readonly identifiers: readonly Identifier[];
  /** `system|code`. Which roles they are, the hospital's configuration says. */
  readonly codes: readonly string[];
  /** Names of its organisation; which one it is, the hospital's configuration says. */
  readonly organisation: readonly string[];
  readonly department?: string;
  readonly active: boolean;
  readonly from?: Millis;
  readonly until?: Millis;
  readonly writtenAt?: Millis;
};

/** One thing that a source said. `subject`: its own name of the person, e.g. `Practitioner/123`. */
export type StaffSaid = { readonly source: SourceId; readonly subject: string } & ({ readonly person: PersonSaid } | { readonly post: string; readonly said: PostSaid } | { readonly group: GroupSaid });

/** One person as one source has them, with all that it said of them. */
export type Staff = {
  readonly source: SourceId;
  readonly subject: string;
  readonly person?: PersonSaid;
  /** It is no person. */
  readonly group?: GroupSaid;
  /** By the source's own name of each, e.g. `PractitionerRole/9`. Those that ended stay: a source that spoke of roles goes on deciding them. */
  readonly posts: Readonly<Record<string, PostSaid>>;
  /** A post of theirs is somebody else's by now. */
  readonly spoke?: true;
  /** Which those were. */
  readonly gave?: readonly string[];
  /** Whom the directory has them as; nobody else from then on. */
  readonly party?: PartyId;
  /** Why what is said counts for nobody, or not all of it. */
  readonly why?: string;
  /** What the directory was told last. */
  readonly told?: Fed;
};

/** What of it counts in the directory's entry of a person. A field that isn't there is not the source's to say. */
export type Fed = {
  readonly source: SourceId;
  readonly active: boolean;
  readonly roles?: readonly string[];
  /** Codes that the configuration gives no role for: they are none. */
  readonly unknown?: readonly string[];
  readonly organisation?: string;
  readonly department?: string;
  /** The source's own names of the posts they hold now: a care team may name a post. */
  readonly posts?: readonly string[];
  /** And of those that they don't: ended, not begun, or somebody else's by now. */
  readonly lost?: readonly string[];
  /** Names by which they are found too. */
  readonly identifiers: readonly Identifier[];
};

/** The id of the aggregate. */
export const staffId = ({ source, subject }: { readonly source: SourceId; readonly subject: string }): string => `${source} ${subject}`;

/** The name by which it is found whose a post is. */
export const postName = (source: SourceId, post: string): string => `${source} ${post}`;

/** The system of a source's own names. References in what it pushes are looked for under the same one. */
export const ownSystem = (source: SourceId): string => `urn:aceso:source:${source}:fhir`;

/** The names by which the directory may know them. */
export const namesOfStaff = (staff: Pick<Staff, 'source' | 'subject' | 'person' | 'posts'>): readonly string[] =>
  [...new Set([...identifiersOf(staff).map(identifierName), ...(staff.person?.userId === undefined ? [] : [personName(staff.person.userId)])])];

export function identifiersOf({ source, subject, person, posts }: Pick<Staff, 'source' | 'subject' | 'person' | 'posts'>): readonly Identifier[] {
  const all = [{ system: ownSystem(source), value: subject }, ...(person?.identifiers ?? []), ...Object.values(posts).flatMap(({ identifiers }) => identifiers)];
  return [...new Map(all.map((each) => [identifierName(each), each])).values()];
}

const isHeld = ({ active, from, until }: PostSaid, now: Millis): boolean => active && (from === undefined || from <= now) && (until === undefined || now < until);

/** When a post begins or ends next. */
export function nextTurn({ posts }: Staff, now: Millis): Millis | undefined {
  const turns = Object.values(posts).flatMap(({ active, from, until }) => (active ? [from, until] : [])).filter((at) => at !== undefined && at > now) as readonly Millis[];
  return turns.length === 0 ? undefined : turns.reduce((first, at) => (at < first ? at : first));
}

/**
 * What counts now. Roles, organisation and department are the source's to say as far as its terms give it words for them, and once it has spoken of a post; a code without a role
 * is none, and an organisation that the terms don't know is one without an agreement: neither is guessed (45 CFR 164.308(a)(3)(ii), 164.308(a)(4)).
 */
export function fedBy(staff: Staff, terms: FeedTerms, now: Millis): Fed {
  const { source, person, posts, spoke, gave = [] } = staff;
  const names = Object.entries(posts).flatMap(([name, post]) => (isHeld(post, now) ? [name] : [])).sort();
  const lost = [...new Set([...Object.keys(posts), ...gave])].filter((name) => !names.includes(name)).sort();
  const held = Object.values(posts).filter((post) => isHeld(post, now));
  const codes = [...new Set(held.flatMap((post) => post.codes))].sort();
  const speaks = spoke || Object.keys(posts).length > 0;
  const known = codes.filter((code) => terms.roles[code] !== undefined);
  const unknown = codes.filter((code) => terms.roles[code] === undefined);
  const places: readonly Place[] = [...held, ...(person === undefined ? [] : [person])];
  const [organisation] = terms.organisations === undefined ? [] : places.flatMap((place) => organisationOf(place, terms));
  const department = places.map((place) => place.organisation?.map((name) => terms.departments?.[name]).find((each) => each !== undefined) ?? place.department).find((each) => each !== undefined);
  return {
    source, active: person?.active ?? true,
    ...(speaks && Object.keys(terms.roles).length > 0 ? { roles: [...new Set(known.flatMap((code) => terms.roles[code] ?? []))].sort(), ...(unknown.length === 0 ? {} : { unknown }) } : {}),
    ...(organisation === undefined ? {} : { organisation }), ...(department === undefined ? {} : { department }),
    ...(names.length === 0 ? {} : { posts: names }), ...(lost.length === 0 ? {} : { lost }),
    identifiers: identifiersOf(staff),
  };
}

type Place = Pick<PersonSaid, 'organisation' | 'department'>;

function organisationOf({ organisation: [first, ...more] = [] }: Place, { organisations = {}, departments = {} }: FeedTerms): readonly string[] {
  if (first === undefined) return [];
  const names = [first, ...more];
  const known = names.map((name) => organisations[name]).find((each) => each !== undefined);
  if (known !== undefined) return [known];
  return names.some((name) => departments[name] !== undefined) ? [] : [first];
}
