/** A file that its sender keeps on a server of its own, and what the sender says of it. PHI: an address may name a patient. */
export type RemoteFile = {
  /** Absolute. */
  readonly address: string;
  /** Media types that are claimed. */
  readonly declared: readonly string[];
  readonly bytes?: string;
  /** Base64, as FHIR's `Attachment.hash`. */
  readonly sha1?: string;
};

/**
 * A reference as an address below `base`, a FHIR server's address: same scheme, host and port, and below its path. Undefined for anything else, and for what a server could
 * read as leading out of it. `relativeTo` is what a relative reference is relative to (FHIR R4 §2.3.0.5).
 */
export function addressUnder(base: string, reference: string, relativeTo = base): string | undefined {
  const [root, address] = [parsed(folder(base)), parsed(reference, folder(relativeTo))];
  if (!root || !address || address.origin !== root.origin || address.origin === 'null' || address.username !== '' || address.password !== '') return undefined;
  // `%2f` and `%5c` are slashes to some servers, and nothing that FHIR calls an id.
  const isBelow = address.pathname.startsWith(root.pathname) && address.pathname.length > root.pathname.length && !/%2f|%5c|%2e|\\|\/\//iu.test(address.pathname);
  if (!isBelow) return undefined;
  address.hash = '';
  return address.href;
}

const folder = (base: string): string => `${base.replace(/\/+$/u, '')}/`;

function parsed(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
