import { readFileSync } from 'node:fs';
import { judgeFetched } from '../../bridges/fhir-push/index.ts';
import { createBackendClient } from '../adapters/auth/backendClient.ts';
import { createBinaryClient, type Credentials } from '../adapters/files/binary.ts';
import type { LoadedConfig } from '../config/load.ts';
import { fail, ok } from '../domain/outcome.ts';
import type { SourceFiles } from '../ports/sourceFiles.ts';

type SourceConfig = LoadedConfig['sources'][number];
type FetchConfig = NonNullable<SourceConfig['attachments']['fetch']>;

type Client = { readonly get: ReturnType<typeof createBinaryClient>; readonly limits: { readonly maxBytes: number; readonly types: SourceConfig['attachments']['types'] } };

/** The files of those sources that have theirs fetched, as the configuration says now: asked for below their base, and judged as if they had come along. */
export function createSourceFiles(inForce: () => LoadedConfig): SourceFiles {
  let made: { readonly config: LoadedConfig; readonly clients: ReadonlyMap<string, Client> } | undefined;
  const clientOf = (source: string): Client | undefined => {
    const config = inForce();
    if (made?.config !== config) made = { config, clients: clientsOf(config) };
    return made.clients.get(source);
  };
  return {
    async fetch(source, file) {
      const client = clientOf(source);
      // Since the result came, the configuration has changed.
      if (!client) return ok({ refused: 'elsewhere' });
      const got = await client.get(file);
      if (!got.ok) return got;
      return ok('refused' in got.value ? got.value : await judgeFetched(file, got.value, client.limits));
    },
  };
}

const clientsOf = (config: LoadedConfig): ReadonlyMap<string, Client> => new Map(config.sources.flatMap(({ id, fhir_base: base, attachments: { fetch, max_bytes: maxBytes, types } }) =>
  (fetch === undefined || base === undefined ? [] : [[id, { get: createBinaryClient({ base, maxBytes, credentials: credentialsOf(config, fetch) }), limits: { maxBytes, types } }] as const])));

function credentialsOf(config: LoadedConfig, { token_file: tokenFile, smart }: FetchConfig): Credentials {
  if (smart !== undefined) {
    const client = createBackendClient({
      tokenUrl: smart.token_url, clientId: smart.client_id, scope: smart.scope, algorithm: smart.algorithm, ...(smart.key_id === undefined ? {} : { keyId: smart.key_id }),
      privateKey: () => readFileSync(config.at(smart.key_file), 'utf8'), now: Date.now,
    });
    return {
      async value() {
        const token = await client.token();
        return token.ok ? ok(`Bearer ${token.value}`) : token;
      },
      refused: client.forget,
    };
  }
  return {
    // Read each time, so that a new one counts without a restart.
    async value() {
      if (tokenFile === undefined) return ok(undefined);
      try {
        return ok(`Bearer ${readFileSync(config.at(tokenFile), 'utf8').trim()}`);
      } catch {
        return fail('source-refuses', 'the token for the source\'s own server can\'t be read: see sources[].attachments.fetch.token_file', { retry: true });
      }
    },
    refused: () => undefined,
  };
}
