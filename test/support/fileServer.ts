/** A source's own FHIR server, as far as files go: a real HTTP server that gives out Binary resources in the ways that servers have, and notes what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { freePort } from './ports.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export type FileServer = {
  /** Its FHIR base. */
  readonly base: string;
  readonly asked: readonly { readonly path: string; readonly accept: string; readonly authorization: string | undefined }[];
  /** What it answers below its base from now on, by path. */
  answer(path: string, answer: Answer): void;
  stop(): Promise<void>;
};

export async function startFileServer(): Promise<FileServer> {
  const port = await freePort();
  const answers = new Map<string, Answer>();
  const asked: { path: string; accept: string; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push({ path, accept: request.headers.accept ?? '', authorization: request.headers.authorization });
    const answer = answers.get(path);
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return {
    base: `http://127.0.0.1:${port}/r4`, asked,
    answer: (path, answer) => { answers.set(`/r4/${path}`, answer); },
    stop: () => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections(); }),
  };
}

/** The bytes as they are. */
export const raw = (bytes: Uint8Array, contentType: string): Answer => (_, response) => { response.writeHead(200, { 'content-type': contentType }).end(bytes); };

/** A FHIR Binary resource. */
export const resource = (bytes: Uint8Array, contentType: string): Answer => (_, response) => {
  response.writeHead(200, { 'content-type': 'application/fhir+json; charset=utf-8' }).end(JSON.stringify({ resourceType: 'Binary', contentType, data: Buffer.from(bytes).toString('base64') }));
};

export const status = (code: number, headers: Readonly<Record<string, string>> = {}): Answer => (_, response) => { response.writeHead(code, headers).end(); };
