/** `1,234,567`. */
export const number = (count: number): string => count.toLocaleString('en-US');

/** `512 B`, `1.5 KiB`, `20.3 MiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${power === 0 ? count : (count / 1024 ** power).toFixed(1)} ${units[power] ?? ''}`;
}
