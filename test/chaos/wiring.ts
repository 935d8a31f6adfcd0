/** Through what the parts reach each other: directly, or by ways on which the network can be bad. */
import { freePort } from '../support/ports.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { randomOf } from './random.ts';

export type FederationPorts = { readonly client?: number; readonly federation?: number; readonly federationListener?: number };

export type Wiring = {
  /** `nothing`: who is alone behind an address listens there themselves. */
  readonly between: 'nothing' | 'proxies';
  /**
   * The port at which one of `targets` (the first that accepts) is reached. `http`: what passes is HTTP without TLS, so that answers can be
   * other than the server's. `at`: the port that must lead there.
   */
  link(name: string, kind: 'tcp' | 'http', targets: readonly number[], at?: number): Promise<number>;
  /** The ports of both hospitals' federation APIs; what stands between them is opened once they listen. */
  federation(): Promise<{ readonly mercy: FederationPorts; readonly stAnne: FederationPorts; open(): Promise<void> }>;
  stop(): Promise<void>;
};

/** No way between, save a balancer where several workers stand behind one address. */
export function directWiring(): Wiring {
  const balancers: Proxy[] = [];
  return {
    between: 'nothing',
    async link(name, _kind, targets, at) {
      const [only = 0] = targets;
      if (at === undefined && targets.length === 1) return only;
      const port = at ?? (await freePort());
      balancers.push(await startProxy({ name, port, targets, random: randomOf(0, name) }));
      return port;
    },
    federation: async () => ({ mercy: {}, stAnne: {}, open: async () => undefined }),
    async stop() {
      for (const balancer of balancers.splice(0)) await balancer.stop();
    },
  };
}
