/** What the writer process and the test that kills it agree on. */
export const WRITER_KEY = new Uint8Array(32).fill(0x5a);

/** Long enough for several pages of the file. */
export function valueOf(n: number): string {
  return `value ${n} `.repeat(1000 + (n % 7) * 300);
}
