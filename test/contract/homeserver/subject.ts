/** What the contract is run against: a homeserver, and an application service of it with an ear for its transactions. */
import { createServer, type IncomingMessage } from 'node:http';
import { temporaryFolder } from '../../support/folders.ts';
import { sharedHospitals, takeSlot, type Session } from '../../support/lab.ts';
import { matrixAnswer, type MatrixAnswer } from '../../support/matrixHttp.ts';
import { createSlots, type Slot } from '../../support/slots.ts';
import { startStub } from '../../support/stub/stub.ts';

export type Taken = { readonly events: readonly Readonly<Record<string, unknown>>[]; readonly ephemeral: readonly unknown[] };

export type Subject = {
  readonly serverName: string;
  readonly baseUrl: string;
  readonly slot: Slot;
  /** Transactions in the order in which they were taken; those that were refused are not among them. */
  readonly transactions: readonly Taken[];
  readonly refused: readonly string[];
  /** The next transactions are answered 503. */
  refuse(count: number): void;
  register(user: string, password: string): Promise<string>;
  login(user: string, password: string, deviceId?: string): Promise<Session>;
  /** As a user of the application service, or with a session's token. */
  call(as: As, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, query?: Readonly<Record<string, string>>): Promise<MatrixAnswer>;
  /** What only the stub has: requests that no client should send. */
  readonly complaints: readonly string[];
  stop(): Promise<void>;
};

export type As = Session | { readonly user: string; readonly device?: string } | { readonly token: string } | 'nobody';

export async function openSubject(kind: 'Synapse' | 'the stub'): Promise<Subject> {
  if (kind === 'Synapse') {
    const { mercy } = await sharedHospitals();
    return listening({ serverName: mercy.serverName, baseUrl: mercy.baseUrl, slot: await takeSlot(), complaints: [], register: (user, password) => mercy.register(user, password), login: (user, password, device) => mercy.login(user, password, 'test', device), stop: async () => undefined });
  }
  const [slot] = await createSlots(temporaryFolder('stub'), 'stub.example', 1);
  if (!slot) throw new Error('no slot');
  const stub = await startStub({ serverName: 'stub.example', appservices: [slot] });
  return listening({ serverName: stub.serverName, baseUrl: stub.baseUrl, slot, complaints: stub.complaints, register: stub.register, login: (user, password, device) => stub.login(user, password, 'test', device), stop: stub.stop });
}

async function listening(subject: Omit<Subject, 'transactions' | 'refused' | 'refuse' | 'call'>): Promise<Subject> {
  const transactions: Taken[] = [];
  const refused: string[] = [];
  let toRefuse = 0;
  const ear = createServer((request, response) => void hear(request).then((body) => {
    const isOurs = request.headers.authorization === `Bearer ${subject.slot.hsToken}` && request.url?.startsWith('/_matrix/app/v1/transactions/') === true && request.method === 'PUT';
    if (isOurs && toRefuse > 0) {
      toRefuse -= 1;
      refused.push(request.url ?? '');
      response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
      return;
    }
    if (isOurs) {
      const { events, ephemeral = [] } = JSON.parse(body) as { readonly events: Taken['events']; readonly ephemeral?: readonly unknown[] };
      transactions.push({ events, ephemeral });
    }
    response.writeHead(isOurs ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
  }));
  await new Promise<void>((resolve) => { ear.listen(subject.slot.port, '127.0.0.1', resolve); });
  return {
    ...subject, transactions, refused,
    refuse: (count) => { toRefuse = count; },
    call(as, method, path, body, query = {}) {
      const url = new URL(`/_matrix/client/v3${path}`, subject.baseUrl);
      const identity = typeof as === 'object' && 'user' in as ? { user_id: as.user, ...(as.device === undefined ? {} : { device_id: as.device }) } : {};
      url.search = new URLSearchParams({ ...identity, ...query }).toString();
      const token = as === 'nobody' ? undefined : 'accessToken' in as ? as.accessToken : 'token' in as ? as.token : subject.slot.asToken;
      return matrixAnswer(subject.baseUrl, `${url.pathname}${url.search}`, { method, ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });
    },
    async stop() {
      ear.closeAllConnections();
      await new Promise<void>((resolve) => ear.close(() => resolve()));
      await subject.stop();
    },
  };
}

async function hear(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
