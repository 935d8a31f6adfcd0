/** What `npm run bench` can be asked for. */
import { parseArgs } from 'node:util';

export const PARTS = {
  a: 'raw sends of events of the same size beside Aceso from the push to the delivered event',
  b: 'the same flow through a plain matrix-js-sdk bot with its own encryption',
  c: 'how long a result takes at a steady pace: to its event, and to its text at the other hospital',
  d: 'what a message costs with few and with many results rooms',
  e: 'memory and start-up with many rooms; a mountain of results while the homeserver is away',
  policy: 'what the policy server signs beside a bare HTTPS server that only verifies and signs, with few and with many rooms',
} as const;

export type Part = keyof typeof PARTS;

export type Options = {
  readonly parts: readonly Part[];
  readonly results: number;
  readonly recipients: number;
  readonly concurrency: number;
  readonly store: 'sqlite' | 'postgres';
  /** Results a second of part c. */
  readonly pace: number;
  /** Rooms of part d on Synapse, few and many, and at the stub homeserver. */
  readonly rooms: { readonly few: number; readonly many: number; readonly stub: number };
  /** Results of part e that wait. */
  readonly waiting: number;
  /** Instead of the parts: this long, this many a second, against the stub. */
  readonly soak: { readonly seconds: number; readonly rate: number } | undefined;
  /** After what part policy measures: this long, so many questions a second. */
  readonly hold: { readonly seconds: number; readonly rate: number } | undefined;
  /** Where the profiles go that Aceso writes. */
  readonly profile: string | undefined;
};

const HELP = `npm run bench -- [parts] [options]: figures of Aceso beside baselines that run in the same minutes; the last line is JSON

  --only a,b,c       these parts only (or as words: npm run bench -- policy):
${Object.entries(PARTS).map(([part, what]) => `                       ${part.padEnd(6)}  ${what}`).join('\n')}
  --quick            a tenth of everything: to see that it works
  --results N        results of a and b (300); policy asks ten times as many questions in each turn
  --recipients N     clinicians at the other hospital, each with a results room and a client that decrypts (4)
  --concurrency N    pushes at a time (16)
  --store KIND       sqlite (usual) or postgres
  --pace R           results a second of c (10), for 30 s
  --rooms F,M,S      rooms of d: few and many on Synapse, and at the stub (10,1000,10000); policy takes F and S
  --waiting N        results that wait in e while the homeserver is away (100000)
  --soak SECONDS --rate R   instead of the parts: a steady stream against the stub homeserver, with the growth of memory
  --hold SECONDS --rate R   at the end of policy: so many questions a second (500) for so long, each at its time
  --profile FOLDER   a CPU profile of Aceso into FOLDER, summarised, with its transactions and requests counted (a, c, policy and --soak)
  --help`;

/** Undefined: the help was asked for, and is printed. Throws, saying what to do, for what can't be. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args], allowPositionals: true,
    options: {
      only: { type: 'string' }, quick: { type: 'boolean', default: false }, results: { type: 'string' }, recipients: { type: 'string', default: '4' },
      concurrency: { type: 'string', default: '16' }, store: { type: 'string', default: 'sqlite' }, pace: { type: 'string', default: '10' }, rooms: { type: 'string' }, waiting: { type: 'string' },
      soak: { type: 'string' }, hold: { type: 'string' }, rate: { type: 'string' }, profile: { type: 'string' }, help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return undefined;
  }
  const usual = values.quick ? { results: '40', rooms: '4,20,100', waiting: '1000' } : { results: '300', rooms: '10,1000,10000', waiting: '100000' };
  const named = [...positionals, ...(values.only?.split(',') ?? [])].map((part) => part.trim());
  const isPart = (name: string): name is Part => Object.hasOwn(PARTS, name);
  const parts = (named.length > 0 ? named : Object.keys(PARTS)).filter(isPart);
  const unknown = named.filter((name) => !isPart(name));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: the parts are ${Object.keys(PARTS).join(', ')}`);
  if (values.store !== 'sqlite' && values.store !== 'postgres') throw new Error(`--store ${values.store}: sqlite or postgres`);
  const [few, many, stub] = (values.rooms ?? usual.rooms).split(',').map((rooms) => count('--rooms', rooms));
  if (few === undefined || many === undefined || stub === undefined) throw new Error('--rooms takes three numbers: few,many,stub');
  return {
    parts, store: values.store, rooms: { few, many, stub }, profile: values.profile,
    results: count('--results', values.results ?? usual.results), recipients: count('--recipients', values.recipients), concurrency: count('--concurrency', values.concurrency),
    pace: count('--pace', values.pace), waiting: count('--waiting', values.waiting ?? usual.waiting),
    soak: values.soak === undefined ? undefined : { seconds: count('--soak', values.soak), rate: count('--rate', values.rate ?? '50') },
    hold: values.hold === undefined ? undefined : { seconds: count('--hold', values.hold), rate: count('--rate', values.rate ?? '500') },
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} ${text}: a number above 0`);
  return value;
}
