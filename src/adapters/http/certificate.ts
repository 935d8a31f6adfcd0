import { X509Certificate } from 'node:crypto';
import type { ClientCertificate } from '../../ports/bridge.ts';

/** A client certificate in the words of the port. */
export function describeCertificate(certificate: X509Certificate): ClientCertificate {
  return {
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    // Node gives one attribute a line, least specific first, already escaped as RFC 4514 asks.
    subject: certificate.subject.split('\n').reverse().join(','),
    names: alternativeNames(certificate.subjectAltName ?? ''),
  };
}

/** Undefined when it is none, or not (or no longer) valid at this time. */
export function readCertificate(encoded: string | Uint8Array, now: Date = new Date()): ClientCertificate | undefined {
  try {
    const certificate = new X509Certificate(encoded);
    return now >= certificate.validFromDate && now <= certificate.validToDate ? describeCertificate(certificate) : undefined;
  } catch {
    return undefined;
  }
}

/** `DNS:a, IP Address:10.0.0.1`. A name that Node had to quote could be read as several: it is left whole, and matches nothing that is written in a configuration. */
const alternativeNames = (text: string): readonly string[] =>
  (text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/gu) ?? []).map((each) => each.trim().replace(/^IP Address:/u, 'IP:'));
