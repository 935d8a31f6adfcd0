/** What `npm run bench` can be asked for. */
import { parseArgs } from 'node:util';

export const PARTS = {
  a: 'raw sends of events of the same size beside Aceso from the push to the delivered event',
  b: 'the same flow through a plain matrix-js-sdk bot with its own encryption',
  c: 'how long a result takes at a steady pace: to its event, and to its text at the other hospital',
  d: 'what a message costs with few and with many results rooms',
  e: 'memory and start-up with many rooms; a mountain of results while the homeserver is away',
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
  /** Where the profiles go that Aceso writes. */
  readonly profile: string | undefined;
};

const HELP = `npm run bench -- [options]: figures of Aceso beside baselines that run in the same minutes; the last line is JSON

  --only a,b,c       these parts only:
${Object.entries(PARTS).map(([part, what]) => `                       ${part}  ${what}`).join('\n')}
  --quick            a tenth of everything: to see that it works
  --results N        results of a and b (300)
  --recipients N     clinicians at the other hospital, each with a results room and a client that decrypts (4)
  --concurrency N    pushes at a time (16)
  --store KIND       sqlite (usual) or postgres
  --pace R           results a second of c (10), for 30 s
  --rooms F,M,S      rooms of d: few and many on Synapse, and at the stub (10,1000,10000)
  --waiting N        results that wait in e while the homeserver is away (100000)
  --soak SECONDS --rate R   instead of the parts: a steady stream against the stub homeserver, with the growth of memory
  --profile FOLDER   a CPU profile of Aceso into FOLDER, summarised, with its transactions and requests counted (a, c and --soak)
  --help`;

/** Undefined: the help was asked for, and is printed. Throws, saying what to do, for what can't be. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: Object.keys(PARTS).join(',') }, quick: { type: 'boolean', default: false }, results: { type: 'string' }, recipients: { type: 'string', default: '4' },
      concurrency: { type: 'string', default: '16' }, store: { type: 'string', default: 'sqlite' }, pace: { type: 'string', default: '10' }, rooms: { type: 'string' }, waiting: { type: 'string' },
      soak: { type: 'string' }, rate: { type: 'string', default: '50' }, profile: { type: 'string' }, help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return undefined;
  }
  const usual = values.quick ? { results: '40', rooms: '4,20,100', waiting: '1000' } : { results: '300', rooms: '10,1000,10000', waiting: '100000' };
  const parts = values.only.split(',').map((part) => part.trim()).filter((part): part is Part => part in PARTS);
  if (parts.length !== values.only.split(',').length) throw new Error(`--only ${values.only}: the parts are ${Object.keys(PARTS).join(', ')}`);
  if (values.store !== 'sqlite' && values.store !== 'postgres') throw new Error(`--store ${values.store}: sqlite or postgres`);
  const [few, many, stub] = (values.rooms ?? usual.rooms).split(',').map((rooms) => count('--rooms', rooms));
  if (few === undefined || many === undefined || stub === undefined) throw new Error('--rooms takes three numbers: few,many,stub');
  return {
    parts, store: values.store, rooms: { few, many, stub }, profile: values.profile,
    results: count('--results', values.results ?? usual.results), recipients: count('--recipients', values.recipients), concurrency: count('--concurrency', values.concurrency),
    pace: count('--pace', values.pace), waiting: count('--waiting', values.waiting ?? usual.waiting),
    soak: values.soak === undefined ? undefined : { seconds: count('--soak', values.soak), rate: count('--rate', values.rate) },
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} ${text}: a number above 0`);
  return value;
}
