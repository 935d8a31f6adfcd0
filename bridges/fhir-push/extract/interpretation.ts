/** `Observation.interpretation` with the words of HL7 v3 ObservationInterpretation (and v2 table 0078, which it grew from). */
import type { Interpretation } from '../../../src/domain/clinical/report.ts';
import { children, text } from '../node.ts';
import type { Node } from '../node.ts';

type Known = readonly [words: string, level: Interpretation['level']];

/** http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation; a test compares the words with the packaged definition. */
export const INTERPRETATIONS: Readonly<Record<string, Known>> = {
  'AA': ['Critical abnormal', 'critical'], 'HH': ['Critical high', 'critical'], 'LL': ['Critical low', 'critical'],
  'A': ['Abnormal', 'abnormal'], 'H': ['High', 'abnormal'], 'HU': ['Significantly high', 'abnormal'], 'L': ['Low', 'abnormal'], 'LU': ['Significantly low', 'abnormal'],
  'H>': ['Significantly high', 'abnormal'], 'L<': ['Significantly low', 'abnormal'], '<': ['Off scale low', 'abnormal'], '>': ['Off scale high', 'abnormal'],
  'HX': ['above high threshold', 'abnormal'], 'LX': ['below low threshold', 'abnormal'], 'EX': ['outside threshold', 'abnormal'],
  'B': ['Better', 'normal'], 'W': ['Worse', 'abnormal'], 'U': ['Significant change up', 'abnormal'], 'D': ['Significant change down', 'abnormal'],
  'N': ['Normal', 'normal'], 'NEG': ['Negative', 'normal'], 'ND': ['Not detected', 'normal'], 'NR': ['Non-reactive', 'normal'],
  'POS': ['Positive', 'abnormal'], 'DET': ['Detected', 'abnormal'], 'RR': ['Reactive', 'abnormal'], 'WR': ['Weakly reactive', 'abnormal'],
  'E': ['Equivocal', 'abnormal'], 'IND': ['Indeterminate', 'abnormal'], 'IE': ['Insufficient evidence', 'abnormal'], 'I': ['Intermediate', 'abnormal'],
  'S': ['Susceptible', 'normal'], 'VS': ['Very susceptible', 'normal'], 'MS': ['Moderately susceptible', 'abnormal'], 'SDD': ['Susceptible-dose dependent', 'abnormal'],
  'R': ['Resistant', 'abnormal'], 'NS': ['Non-susceptible', 'abnormal'], 'SYN-R': ['Synergy - resistant', 'abnormal'], 'SYN-S': ['Synergy - susceptible', 'normal'],
  'NCL': ['No CLSI defined breakpoint', 'normal'], 'EXP': ['Expected', 'normal'], 'UNE': ['Unexpected', 'abnormal'],
  'CAR': ['Carrier', 'abnormal'], 'TOX': ['Cytotoxic substance present', 'abnormal'], 'AC': ['Anti-complementary substances present', 'abnormal'],
  'HM': ['Hold for Medical Review', 'abnormal'], 'QCF': ['Quality control failure', 'abnormal'], 'OBX': ['Interpretation qualifiers in separate OBX segments', 'abnormal'],
};

const SYSTEMS = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', 'http://hl7.org/fhir/v3/ObservationInterpretation',
  'http://terminology.hl7.org/CodeSystem/v2-0078', 'http://hl7.org/fhir/v2/0078',
]);
/** These mean the same in every table that has them; to take a local `HH` for less would hide what the laboratory said. */
const CRITICAL = new Set(['AA', 'HH', 'LL']);
const RANK = { critical: 2, abnormal: 1, normal: 0 } as const;

/**
 * The gravest of them, with the words of all. A flag that isn't known counts as abnormal: the laboratory flagged something. `critical` is only
 * what HL7 codes so, or what says so in these very words.
 */
export const interpretationOf = (node: Node): Interpretation | undefined => {
  const all = children(node, 'interpretation').map(ofConcept).filter((each) => each !== undefined);
  const gravest = all.toSorted((a, b) => RANK[b.level] - RANK[a.level])[0];
  return gravest === undefined ? undefined : { ...gravest, text: [...new Set([gravest.text, ...all.map((each) => each.text)])].join(', ') };
};

const ofConcept = (concept: Node): Interpretation | undefined => {
  const codings = children(concept, 'coding');
  for (const coding of codings) {
    const code = text(coding, 'code') ?? '';
    const system = text(coding, 'system');
    const known = (system === undefined || SYSTEMS.has(system) || CRITICAL.has(code)) && Object.hasOwn(INTERPRETATIONS, code) ? INTERPRETATIONS[code] : undefined;
    if (known !== undefined) return { code, text: known[0], level: known[1] };
  }
  const code = codings.map((coding) => text(coding, 'code')).find((each) => each !== undefined) ?? '';
  const words = text(concept, 'text') ?? codings.map((coding) => text(coding, 'display')).find((each) => each !== undefined) ?? code;
  if (words === '') return undefined;
  const named = Object.values(INTERPRETATIONS).find(([known]) => known.toLowerCase() === words.trim().toLowerCase());
  return { code, text: words, level: named?.[1] ?? 'abnormal' };
};
