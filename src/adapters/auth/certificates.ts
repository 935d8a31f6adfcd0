import type { SourceId } from '../../domain/brand.ts';
import type { ClientCertificate } from '../../ports/bridge.ts';

/** How a source's client certificate is known: by itself, or by a name that the hospital's client CA vouches for. */
export type CertificateRule =
  | { readonly sha256: string }
  | { readonly subject: string }
  /** As in the certificate: `DNS:lis.mercy.example`. */
  | { readonly name: string };

export function matches(rule: CertificateRule, certificate: ClientCertificate): boolean {
  if ('sha256' in rule) return plainFingerprint(rule.sha256) === certificate.sha256;
  return 'subject' in rule ? rule.subject === certificate.subject : certificate.names.includes(rule.name);
}

/** `AB:CD:…`, as openssl prints it, or without colons. */
export const plainFingerprint = (text: string): string => text.replaceAll(':', '').toLowerCase();

/** The one source that the certificate stands for; none when it stands for several: fail closed. */
export function sourceOf(certificate: ClientCertificate, sources: readonly { readonly id: SourceId; readonly certificates: readonly CertificateRule[] }[]): SourceId | undefined {
  const [found, other] = sources.filter(({ certificates }) => certificates.some((rule) => matches(rule, certificate)));
  return other === undefined ? found?.id : undefined;
}
