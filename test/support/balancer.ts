/** What stands in front of several workers under one name: each connection goes to the first of them that takes it. */
import { connect, createServer, type Socket } from 'node:net';

export type Balancer = { /** Connections that each port took. */ readonly taken: ReadonlyMap<number, number>; stop(): Promise<void> };

export async function startBalancer(port: number, targets: readonly number[]): Promise<Balancer> {
  const taken = new Map<number, number>();
  const open = new Set<Socket>();
  const bring = (incoming: Socket, [target, ...others]: readonly number[]): void => {
    if (target === undefined) { incoming.destroy(); return; }
    const outgoing = connect(target, '127.0.0.1');
    const refused = (): void => bring(incoming, others);
    outgoing.once('error', refused);
    outgoing.once('connect', () => {
      outgoing.off('error', refused);
      taken.set(target, (taken.get(target) ?? 0) + 1);
      for (const [one, other] of [[incoming, outgoing], [outgoing, incoming]] as const) {
        open.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => { open.delete(one); other.destroy(); });
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
  };
  const server = createServer({ pauseOnConnect: true }, (incoming) => { incoming.on('error', () => incoming.destroy()); bring(incoming, targets); });
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return {
    taken,
    stop: () => new Promise((resolve) => { server.close(() => resolve()); for (const socket of open) socket.destroy(); }),
  };
}
