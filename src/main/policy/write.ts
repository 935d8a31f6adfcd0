import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { canonicalText, filesOf, readPolicyFolder, revisionOf, type PolicyFiles } from '../../adapters/policy/files.ts';
import type { Printed } from '../print.ts';
import { BUILT_IN } from './folder.ts';

/** Puts the rules that come with Aceso into a folder, to begin from. What is there already is kept. */
export function initPolicy(folder: string): Printed {
  mkdirSync(folder, { recursive: true });
  const made = Object.entries(readPolicyFolder(BUILT_IN)).flatMap(([name, text]) => {
    const path = join(folder, name);
    if (existsSync(path)) return [];
    writeFileSync(path, text);
    return [name];
  });
  const next = `Say policy_dir: ${folder} in aceso.yaml; \`aceso policy check\` after every change, \`aceso policy simulate\` before \`aceso config reload\`.`;
  return { json: { folder: resolve(folder), made }, text: `${made.length > 0 ? `Made in ${resolve(folder)}: ${made.join(', ')}` : `${resolve(folder)} has everything already; nothing was changed.`}\n${next}` };
}

/** The text of rules, file by file. */
export function showPolicy(files: PolicyFiles): Printed {
  const texts = filesOf(canonicalText(files));
  return { json: { revision: revisionOf(files), files: texts }, text: Object.entries(texts).map(([name, text]) => `// ---- ${name}\n${text.trimEnd()}`).join('\n\n') };
}
