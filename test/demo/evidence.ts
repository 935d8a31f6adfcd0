/** What the homeservers really hold, read from their own disks, and what they answer. */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TLSSocket } from 'node:tls';
import { dumpDatabase, type Hospital } from '../support/lab.ts';

export type StoredEvent = { readonly type: string; readonly content: Readonly<Record<string, unknown>>; /** When this homeserver had it stored, ms since 1970. */ readonly storedAt: number };

/** The event as it stands in the homeserver's own database; undefined when it isn't there. */
export function storedEvent(hospital: Hospital, eventId: string): StoredEvent | undefined {
  const database = new DatabaseSync(hospital.databaseFile, { readOnly: true });
  try {
    const row = database.prepare('SELECT json, received_ts FROM event_json JOIN events USING (event_id) WHERE event_id = ?').get(eventId);
    if (!row) return undefined;
    const { type, content } = JSON.parse(String(row['json'])) as Pick<StoredEvent, 'type' | 'content'>;
    return { type, content, storedAt: Number(row['received_ts']) };
  } finally {
    database.close();
  }
}

export type Search = { readonly rows: number; readonly files: number; readonly bytes: number; readonly found: Readonly<Record<string, number>> };

/** How often each of `words` occurs in every row of the homeserver's database, and in every byte of every file of its folder. */
export async function searchHospital(hospital: Hospital, words: readonly string[]): Promise<Search> {
  const dump = await dumpDatabase(hospital);
  const folder = searchFolder(hospital.dataDir, words);
  return { ...folder, rows: dump.split('\n').length, found: Object.fromEntries(words.map((word) => [word, count(dump, word) + (folder.found[word] ?? 0)])) };
}

/** The same in the files of a folder, databases, write-ahead logs and logs alike. */
export function searchFolder(folder: string, words: readonly string[]): Search {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ parentPath, name }) => readFileSync(join(parentPath, name)).toString('latin1'));
  return { rows: 0, files: files.length, bytes: files.reduce((sum, { length }) => sum + length, 0), found: Object.fromEntries(words.map((word) => [word, files.reduce((sum, file) => sum + count(file, word), 0)])) };
}

const count = (text: string, word: string): number => text.split(word).length - 1;

/** How a federation API answers a stranger that trusts the laboratory's certificate authority: software, and the TLS that was agreed. */
export function askFederation(serverName: string, caFile: string): Promise<{ readonly software: string; readonly tls: string }> {
  return new Promise((resolve, reject) => {
    request(`https://${serverName}/_matrix/federation/v1/version`, { ca: readFileSync(caFile), agent: false, timeout: 10_000 }, (response) => {
      const { socket } = response;
      const tls = socket instanceof TLSSocket ? `${socket.getProtocol() ?? 'no TLS'}, ${socket.getCipher().name}` : 'no TLS';
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('error', reject).on('end', () => {
        const { server } = JSON.parse(body) as { readonly server: { readonly name: string; readonly version: string } };
        resolve({ software: `${server.name} ${server.version}`, tls });
      });
    }).on('error', reject).end();
  });
}
