/** A SCIM Group (RFC 7643 §4.2): a name, and a post of each member, whose code is the group's name. */
import type { Kept, PostSaid, Staff } from '../../src/domain/people/staff.ts';
import { GROUP } from './schemas.ts';
import { idOf, type Attributes } from './user.ts';

export const groupSubject = (id: string): string => `Group/${id}`;
/** Of this member: another's is another post. */
export const membership = (group: string, user: string): string => `Group/${group}/${user}`;

export const keptGroup = (staff: Staff | undefined): Kept | undefined => (staff?.group === undefined || staff.group.kept.gone ? undefined : staff.group.kept);
export const groupName = ({ attributes }: Kept): string => attributes['displayName'] ?? '';

export const postOf = (name: string, state: 'in' | 'out'): PostSaid => ({ identifiers: [], codes: [`group|${name}`], organisation: [], active: state === 'in' });

export const isMember = (staff: Staff, group: string): boolean => staff.posts[membership(group, idOf(staff))]?.active === true;

/** The groups of which they are members, those that are no more among them. */
export function groupsHeldBy({ posts, ...staff }: Staff): readonly string[] {
  const [head, tail] = ['Group/', `/${idOf(staff)}`];
  return Object.entries(posts).flatMap(([post, { active }]) => (active && post.startsWith(head) && post.endsWith(tail) ? [post.slice(head.length, -tail.length)] : []));
}

/** Undefined members: the client asked not to be told them. */
export function groupResource(id: string, attributes: Attributes, members: readonly Staff[] | undefined, base: string): object {
  return {
    schemas: [GROUP], id, ...attributes,
    ...(members === undefined ? {} : { members: members.map((each) => ({ value: idOf(each), $ref: `${base}/Users/${idOf(each)}` })) }),
    meta: { resourceType: 'Group', location: `${base}/Groups/${id}` },
  };
}
