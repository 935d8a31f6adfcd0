import { knownOf, TRAITS, type Conduct, type Known, type Seen, type Trait } from '../../domain/agreements/conduct.ts';
import type { Millis } from '../../domain/brand.ts';
import { age } from '../print.ts';

export const TRAIT_WORDS: Readonly<Record<Trait, string>> = {
  'asks-before-sending': 'asks before it sends',
  'asks-about-received': 'asks about what it gets',
  'serves-keys': 'gives device keys',
  'applies-redactions': 'applies redactions',
};

export const KNOWN_WORDS: Readonly<Record<Known, string>> = { yes: 'yes', no: 'NO', old: 'seen too long ago', unknown: 'not known' };

/** When, and how: it counts the less, the older it is. */
export const seenWords = (seen: Seen | undefined, now: Millis): string =>
  (seen === undefined ? '' : `${age(now - seen.at)} ago, ${seen.source === 'traffic' ? 'by the policy server' : `tried${seen.by === undefined ? '' : ` by ${seen.by}`}`}`);

/** One line for each thing that rooms rely on. */
export const conductWords = (conduct: Conduct, now: Millis): readonly string[] => TRAITS.map((trait) => {
  const seen = seenWords(conduct[trait], now);
  return `${TRAIT_WORDS[trait]}: ${KNOWN_WORDS[knownOf(conduct[trait], now)]}${seen === '' ? '' : ` (${seen})`}`;
});
