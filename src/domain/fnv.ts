/** FNV-1a over the letters of a name: 32 bits, unsigned. Spreads names; no secret, and no proof that two are the same. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  return hash >>> 0;
}
