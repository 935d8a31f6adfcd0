import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The texts of a policy by the names of their files: `*.cedar` and one `*.cedarschema`. */
export type PolicyFiles = Readonly<Record<string, string>>;

export const isPolicyFile = (name: string): boolean => /^[^.].*\.cedar(schema)?$/u.test(name);

/** Throws when the folder can't be read; what is in it is judged when it is loaded. */
export function readPolicyFolder(folder: string): PolicyFiles {
  try {
    return Object.fromEntries(readdirSync(folder).filter(isPolicyFile).sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  } catch (error) {
    throw new Error(`${folder} can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Make one with \`aceso policy init FOLDER\`, and name it as policy_dir.`, { cause: error });
  }
}

/** The one text of a policy: its files by name, line ends as on Unix. The same text is the same policy, wherever it lies. */
export const canonicalText = (files: PolicyFiles): string => JSON.stringify(Object.fromEntries(Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, text]) => [name, text.replaceAll('\r\n', '\n')])));

export const filesOf = (text: string): PolicyFiles => JSON.parse(text) as PolicyFiles;

export const revisionOf = (files: PolicyFiles): string => createHash('sha256').update(canonicalText(files)).digest('hex');
