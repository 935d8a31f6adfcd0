import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

export type Place = { readonly what: string; readonly path: string };

/**
 * A backup may come from anybody: what is in it names files, and a file of it goes into the folders that the operator named, or nowhere. Links
 * are followed before it is judged. Throws with every place that is elsewhere.
 */
export function refuseElsewhere(folders: readonly string[], places: readonly Place[]): void {
  const roots = folders.map(real);
  const elsewhere = places.filter(({ path }) => isLink(path) || !roots.some((root) => isWithin(root, real(path))));
  if (elsewhere.length === 0) return;
  throw new Error(`this backup would write outside of ${folders.join(' and ')}: ${elsewhere.map(({ what, path }) => `${what} to ${path}`).join(', ')}. If you know the backup and want that, name each folder with --allow FOLDER (for the data: --data-dir FOLDER).`);
}

const isWithin = (root: string, path: string): boolean => {
  const inside = relative(root, path);
  return inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside);
};

/** Where a path truly leads, as far as it is there. */
function real(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute === dirname(absolute) ? absolute : join(real(dirname(absolute)), basename(absolute));
  }
}

/** Also one that leads to nothing yet: writing would make what it names. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
