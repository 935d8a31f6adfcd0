/** A network that is bad between every pair of programs: proxies on each way, and weather over each, drawn by lot. */
import { freePort } from '../support/ports.ts';
import { startHttpStage, type HttpFault, type HttpStage } from './httpFaults.ts';
import { startProxy, type Fault, type Proxy } from './proxy.ts';
import { randomOf, type Random } from './random.ts';
import type { Wiring } from './wiring.ts';

type Way = { readonly name: string; readonly proxy: Proxy; readonly http: HttpStage | undefined; readonly random: Random };

export type BadNetwork = Wiring & {
  /** Bad weather on every way until the time is over, or the signal; then all is well. */
  storm(options: { readonly ms: number; readonly signal: AbortSignal; readonly onFault: (way: string, fault: string) => void }): Promise<void>;
};

/** Statuses that something on the way may answer with; those that would say "done" when nothing is, it may not give to who can't tell. */
const ERRORS = [500, 502, 503, 504, 429] as const;
/** Aceso reads what Mercy answers: a page in place of JSON is nothing that Mercy said, whatever its status. */
const PAGES = [200, 403, 404, 502] as const;

export function badNetwork(seed: number): BadNetwork {
  const ways: Way[] = [];

  async function way(name: string, kind: 'tcp' | 'http', targets: readonly number[], port: number): Promise<void> {
    const random = randomOf(seed, `${name} ${ways.length}`);
    const http = kind === 'http' ? await startHttpStage(targets, random) : undefined;
    ways.push({ name, http, random, proxy: await startProxy({ name, port, targets: http ? [http.port] : targets, random }) });
  }

  async function weather({ name, proxy, http, random }: Way, isOver: () => boolean, wait: (ms: number) => Promise<void>, onFault: (way: string, fault: string) => void): Promise<void> {
    while (!isOver()) {
      await wait(random.between(300, 4000));
      if (isOver()) break;
      if (http && random.chance(0.4)) {
        const fault = httpFault(name, random);
        onFault(name, wordsOf(fault));
        http.set(fault, 0.6);
        await wait(random.between(300, 4000));
        http.set(undefined, 0);
      } else {
        const fault = tcpFault(random);
        onFault(name, wordsOf(fault));
        await proxy.set(fault);
        await wait(random.chance(0.1) ? random.between(5000, 12_000) : random.between(300, 4000));
        await proxy.set(undefined);
      }
    }
  }

  return {
    between: 'proxies',
    async link(name, kind, targets, at) {
      const port = at ?? (await freePort());
      await way(name, kind, targets, port);
      return port;
    },
    async federation() {
      const ports = { mercy: { federation: await freePort(), federationListener: await freePort() }, stAnne: { federation: await freePort(), federationListener: await freePort() } };
      return {
        ...ports,
        async open() {
          await way('St. Anne → Mercy', 'tcp', [ports.mercy.federationListener], ports.mercy.federation);
          await way('Mercy → St. Anne', 'tcp', [ports.stAnne.federationListener], ports.stAnne.federation);
        },
      };
    },
    async storm({ ms, signal, onFault }) {
      const over = new AbortController();
      const end = AbortSignal.any([over.signal, signal]);
      const timer = setTimeout(() => over.abort(), ms);
      const wait = (waitMs: number): Promise<void> => new Promise((resolve) => {
        const waiting = setTimeout(done, waitMs);
        function done(): void {
          clearTimeout(waiting);
          end.removeEventListener('abort', done);
          resolve();
        }
        end.addEventListener('abort', done);
        if (end.aborted) done();
      });
      await Promise.all(ways.map((each) => weather(each, () => end.aborted, wait, onFault)));
      clearTimeout(timer);
    },
    async stop() {
      for (const { proxy, http } of ways.splice(0)) {
        await proxy.stop();
        http?.stop();
      }
    },
  };
}

function tcpFault(random: Random): Fault {
  const kind = random.weighted([['latency', 3], ['reset', 4], ['partition', 2], ['refuse', 2]] as const);
  switch (kind) {
    case 'latency':
      return { kind, ms: random.between(20, 800), jitterMs: random.between(0, 700) };
    case 'reset':
      return { kind, direction: random.pick(['up', 'down'] as const), afterBytes: random.between(0, 4000) };
    case 'partition':
      return { kind, then: random.pick(['heal', 'reset'] as const) };
    case 'refuse':
      return { kind };
  }
}

function httpFault(name: string, random: Random): HttpFault {
  if (random.chance(0.3)) return { kind: 'cut' };
  const when = random.pick(['before', 'after'] as const);
  if (name === 'Aceso → Mercy' && random.chance(0.5)) return { kind: 'status', status: random.pick(PAGES), body: random.pick(['page', 'empty'] as const), when };
  return { kind: 'status', status: random.pick(ERRORS), body: random.pick(['matrix', 'page', 'empty'] as const), when };
}

const wordsOf = (fault: Fault | HttpFault): string => Object.values(fault).join(' ');
