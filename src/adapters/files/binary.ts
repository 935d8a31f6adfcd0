import type { Refusal } from '../../domain/clinical/attachment.ts';
import { addressUnder, type RemoteFile } from '../../domain/clinical/remoteFile.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { SourceFileFailure } from '../../ports/sourceFiles.ts';

/** What Aceso shows a source's server, as the value of `Authorization`; undefined where it asks for nothing. `refused`: the one before wasn't taken. */
export type Credentials = { value(): Promise<Outcome<string | undefined, SourceFileFailure>>; refused(): void };

export type BinaryOptions = {
  /** Address of the FHIR server. Nothing else is ever asked. */
  readonly base: string;
  readonly credentials: Credentials;
  /** Of a file, in bytes. */
  readonly maxBytes: number;
  readonly timeoutMs?: number;
};

/** Bytes as they are at the source, and the media type that it gives them. */
export type Binary = { readonly bytes: Uint8Array; readonly declared?: string };

type Fetched = Outcome<Binary | { readonly refused: Refusal }, SourceFileFailure>;

const TIMEOUT_MS = 30_000;
/** In a FHIR resource: beside its bytes, which are base64. */
const BESIDE_BYTES = 64 * 1024;
const JSON_TYPES = /^application\/(?:fhir\+)?json$/u;

/** The bytes are asked for as they are; a server that gives the resource all the same (FHIR R4 §2.29.1 "Serving Binary resources using the RESTful API") is understood too. */
const ACCEPT = 'application/pdf, image/*, application/xml;q=0.9, text/*;q=0.9, application/octet-stream;q=0.8, application/fhir+json;q=0.5';

export function createBinaryClient({ base, credentials, maxBytes, timeoutMs = TIMEOUT_MS }: BinaryOptions): (file: Pick<RemoteFile, 'address'>) => Promise<Fetched> {
  return async ({ address: named }) => {
    // The configuration may have changed since the bridge looked.
    const address = addressUnder(base, named);
    if (address === undefined) return ok({ refused: 'elsewhere' });
    const shown = await credentials.value();
    if (!shown.ok) return shown;
    try {
      const response = await fetch(address, {
        headers: { 'accept': ACCEPT, 'accept-encoding': 'identity', ...(shown.value === undefined ? {} : { authorization: shown.value }) },
        redirect: 'manual', signal: AbortSignal.timeout(timeoutMs),
      });
      return await read(response);
    } catch {
      return away('can\'t be reached, or broke off');
    }
  };

  async function read(response: Response): Promise<Fetched> {
    if (response.status !== 200) {
      await response.body?.cancel();
      return answered(response);
    }
    const declared = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    const isResource = JSON_TYPES.test(declared);
    const bytes = await bounded(response, isResource ? Math.ceil(maxBytes / 3) * 4 + BESIDE_BYTES : maxBytes);
    if (bytes === undefined) return ok({ refused: 'too-large' });
    return ok(isResource ? binaryIn(bytes) : { bytes, ...(declared === '' ? {} : { declared }) });
  }

  function answered({ status, headers }: Response): Fetched {
    if (status === 401 || status === 403) {
      credentials.refused();
      return fail('source-refuses', `the source's own server answered ${status}: see what sources[].attachments.fetch has it shown`, { retry: true });
    }
    if (status >= 300 && status < 400) return ok({ refused: 'elsewhere' });
    const seconds = /^\d{1,4}$/u.exec(headers.get('retry-after') ?? '')?.[0];
    return away(`answered ${status}`, seconds === undefined ? undefined : Number(seconds) * 1000);
  }
}

const away = (how: string, retryAfterMs?: number): Fetched => fail('source-away', `the source's own server ${how}: the file is asked for again`, { retry: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

/** Undefined when there are more than `most` bytes, whatever the answer says of its length. */
async function bounded(response: Response, most: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // Leaving the loop ends the connection.
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** The bytes of a Binary resource; anything else is no file. */
function binaryIn(json: Uint8Array): Binary | { readonly refused: Refusal } {
  let resource: unknown;
  try {
    resource = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    return { refused: 'unreadable' };
  }
  const { resourceType, contentType, data } = (typeof resource === 'object' && resource !== null ? resource : {}) as { readonly resourceType?: unknown; readonly contentType?: unknown; readonly data?: unknown };
  const base64 = typeof data === 'string' ? data.replaceAll(/\s/gu, '') : '';
  if (resourceType !== 'Binary' || !/^[A-Za-z0-9+/]+={0,2}$/u.test(base64)) return { refused: 'unreadable' };
  return { bytes: new Uint8Array(Buffer.from(base64, 'base64')), ...(typeof contentType === 'string' ? { declared: contentType } : {}) };
}
