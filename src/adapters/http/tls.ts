import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';

/** PEM files of the door. */
export type TlsFiles = {
  /** The certificate and what leads to its CA. */
  readonly certificate: string;
  readonly key: string;
  /** Whose client certificates are believed. Without it, none is asked for. */
  readonly clientCa?: string;
};

/** Reads and tries the files. Throws with the file and what to do; never with what is in it. */
export function readTls({ certificate, key, clientCa }: TlsFiles): TlsOptions {
  const options: TlsOptions = {
    cert: read('certificate', certificate), key: read('key', key), minVersion: 'TLSv1.2',
    // A client without a certificate may still have a token: who is refused is decided by the request, with an answer that says why.
    ...(clientCa === undefined ? {} : { ca: read('client_ca', clientCa), requestCert: true, rejectUnauthorized: false }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new Error(`tls: ${certificate} and ${key} can't be used together (${error instanceof Error && 'code' in error ? String(error.code) : 'not PEM'}). The key must be that of the certificate, both as PEM, the key without a passphrase.`, { cause: error });
  }
  return options;
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`tls.${name}: ${path} can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Put the file there, readable by Aceso's user.`, { cause: error });
  }
}

/** Calls `changed` when one of the files is another than before, also through a symbolic link that was moved. Gives what ends the watch. */
export function watchTls({ certificate, key, clientCa }: TlsFiles, everyMs: number, changed: () => void): () => void {
  const paths = [certificate, key, ...(clientCa === undefined ? [] : [clientCa])];
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, changed);
  return () => { for (const path of paths) unwatchFile(path, changed); };
}
