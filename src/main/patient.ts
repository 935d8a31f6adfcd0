import { readFileSync } from 'node:fs';
import { as, type SubjectId } from '../domain/brand.ts';
import type { KeyRing } from '../ports/keys.ts';

/**
 * A patient by the name that results have them by, `system|value`. From standard input: as an argument it would stand in the shell's history, and be seen by whoever lists processes.
 * Nothing of it is kept or shown but the keyed pseudonym.
 */
export function patientGiven(keys: Pick<KeyRing, 'pseudonym'>): SubjectId {
  if (process.stdin.isTTY) process.stderr.write('The patient, as results name them (system|value), then Enter and Ctrl-D: ');
  return patientNamed(readFileSync(0, 'utf8'), keys);
}

export function patientNamed(text: string, keys: Pick<KeyRing, 'pseudonym'>): SubjectId {
  const name = text.trim();
  if (!/^[^|\s]+\|[^|\n]+$/u.test(name)) throw new Error('--patient reads one line from standard input, the identifier that results have the patient by: system|value, e.g. urn:oid:1.2.36.146.595.217.0.1|12345.');
  return as<SubjectId>(keys.pseudonym('patient', name));
}
