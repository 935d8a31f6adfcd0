import type { Standing } from '../policy/standing.ts';
import type { Party } from './party.ts';
import type { Fed } from './staff.ts';

/**
 * What counts of a person whom sources speak of, too: in each field the sources' word takes the place of the hand's (file, CSV, command) as soon as there is one. Several sources' roles add up; of
 * organisation and department the last word counts; whoever left by one of them has left.
 */
export function standingBy(hand: Standing | undefined, fed: readonly Fed[]): Standing | undefined {
  const speaking = fed.flatMap(({ roles }) => (roles === undefined ? [] : [roles]));
  const said: Partial<Standing> = {
    ...(speaking.length === 0 ? {} : { roles: [...new Set(speaking.flat())].sort() }),
    ...lastOf(fed, 'organisation'), ...lastOf(fed, 'department'),
    ...(fed.some(({ active }) => !active) ? { left: true as const } : {}),
  };
  return hand === undefined && Object.keys(said).length === 0 ? undefined : { roles: [], ...hand, ...said };
}

function lastOf(fed: readonly Fed[], field: 'organisation' | 'department'): Partial<Pick<Standing, 'organisation' | 'department'>> {
  const last = fed.findLast((each) => each[field] !== undefined)?.[field];
  return last === undefined ? {} : { [field]: last };
}

/** The entry as hands made it, without what sources say. */
export function byHand({ id, kind, name, members, identifiers, standing, fed, hand }: Party): Party {
  const own = fed === undefined ? standing : hand;
  return { id, kind, name, members, identifiers, ...(own === undefined ? {} : { standing: own }) };
}

/** That entry with what sources say, the last word last. */
export function withFed(party: Party, fed: Readonly<Record<string, Fed>>): Party {
  const { standing: hand, ...entry } = party;
  if (Object.keys(fed).length === 0) return party;
  const standing = standingBy(hand, Object.values(fed));
  return { ...entry, ...(standing === undefined ? {} : { standing }), ...(hand === undefined ? {} : { hand }), fed };
}

/** Whether that source speaks of them by another entry. */
export const isFedBeside = ({ fed = {} }: Party, entry: string, source: Fed['source']): boolean => Object.entries(fed).some(([each, word]) => each !== entry && word.source === source);
