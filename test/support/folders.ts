/** Temporary folders: removed when the test says so, at the latest when the test process ends in order. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();
process.on('exit', () => {
  for (const folder of folders) removeFolder(folder);
});

/** An empty folder `aceso-<purpose>-…` of this user only. */
export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(join(tmpdir(), `aceso-${purpose}-`));
  folders.add(folder);
  return folder;
}

/** Removes a folder that {@link temporaryFolder} gave. */
export function removeFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
