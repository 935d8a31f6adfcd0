import { expect } from 'chai';
import { connect } from 'node:net';
import { startHttpServer, type HttpServer } from '../../src/adapters/http/server.ts';
import type { HttpRoute } from '../../src/ports/bridge.ts';
import { until } from '../support/until.ts';

describe('The HTTP server', () => {
  let server: HttpServer;
  const failures: unknown[] = [];
  const paths: string[] = [];

  before(async () => {
    server = await startHttpServer({
      host: '127.0.0.1', port: 0, failed: (error) => { failures.push(error); },
      routes: [{ prefix: '/fhir', admit: ({ path }) => { paths.push(path); return { reply: { status: 404 } }; } }],
    });
  });
  after(() => server.stop(100));

  /** Sends bytes as they are; gives the status line. */
  const raw = (text: string): Promise<string> => new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (part: string) => { answer += part; }).on('error', reject).on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
  });

  for (const target of ['/fhir//[', '/fhir//evil.example/Patient', '/fhir/%', 'http://evil.example/fhir/x', '/fhir/\\\\[x']) {
    it(`answers ${target} as a path that isn't there, not as an error of its own`, async () => {
      expect(await raw(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).to.equal('HTTP/1.1 404 Not Found');
      expect(failures).to.deep.equal([]);
    });
  }

  it('takes what stands before a path for no host: the route sees all of the path', () => expect(paths).to.include('//evil.example/Patient'));

  it('refuses a request whose length is said in two ways', async () => {
    expect(await raw('POST /fhir/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')).to.equal('HTTP/1.1 400 Bad Request');
  });
});

describe('Routes that are replaced while the server runs', () => {
  it('serve the next request at once, while one that is under way ends on the old, and what is in hand counts on', async () => {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => { end = resolve; });
    const route = (name: string, wait: Promise<void> | undefined): HttpRoute => ({ prefix: '/fhir', admit: () => ({ maxBytes: 100, tooLarge: () => ({ status: 413 }), take: async () => { taken.push(name); await wait; return { status: 200, body: name }; } }) });
    const taken: string[] = [];
    const server = await startHttpServer({ host: '127.0.0.1', port: 0, failed: () => undefined, maxBytesInFlight: 100, routes: [route('old', ended), { prefix: '/gone', admit: () => ({ reply: { status: 200 } }) }] });
    const post = (body: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}/fhir`, { method: 'POST', body });
    const first = post('x'.repeat(90));
    await until('the first to be under way', () => taken.length === 1);
    server.serve([route('new', undefined)]);
    const meanwhile = [await post('x'), await post('x'.repeat(90)), await fetch(`http://127.0.0.1:${server.port}/gone`)];
    end();
    const then = [await first, await post('x'.repeat(90))];
    const said = await Promise.all([...meanwhile, ...then].map(async (response) => `${response.status} ${await response.text()}`.trim()));
    await server.stop(100);
    expect(said, 'the second is one too many beside what the old has in hand').to.deep.equal(['200 new', '503', '404', '200 old', '200 new']);
  });
});
