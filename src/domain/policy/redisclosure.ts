import type { Label } from './words.ts';

/**
 * The statement that goes with every disclosure of a Part 2 record, in the short form of 42 CFR 2.32(a)(2) as amended by 89 FR 12472 (16 February 2024). Whatever rule let it pass: who got it
 * must not pass it on but as Part 2 lets them. It stands in the encrypted message and nowhere beside it.
 */
const PART2 = '42 CFR part 2 prohibits unauthorized use or disclosure of these records.';

export const redisclosureNotice = (labels: readonly Label[]): string | undefined => (labels.includes('part2') ? PART2 : undefined);
