import { setTimeout as pause } from 'node:timers/promises';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StoreCounts } from '../../ports/store.ts';
import type { MetricName, Metrics } from '../../ports/telemetry.ts';

export type MetricsEndpoint = Metrics & { text(): Promise<string> };

const HELP: Readonly<Record<MetricName, readonly [kind: 'counter' | 'histogram', help: string, labels: readonly string[]]>> = {
  facts_received: ['counter', 'Facts that came in, new or already known', ['outcome', 'resource']],
  facts_decided: ['counter', 'Facts decided, by type', ['type']],
  facts_deferred: ['counter', 'Decisions that failed and wait', ['type']],
  effects_settled: ['counter', 'Effects by type and what became of them', ['type', 'state']],
  effect_seconds: ['histogram', 'Time an effect took', ['type']],
  decision_seconds: ['histogram', 'Time a decision took, its commit included', []],
  delivery_seconds: ['histogram', 'From the 2xx to the event in the room', []],
  http_requests: ['counter', 'Requests at the bridges', ['bridge', 'code', 'status']],
  http_refusals: ['counter', 'Requests that a door did not take, by door and reason', ['door', 'code']],
  http_seconds: ['histogram', 'Time a request took', ['bridge']],
  matrix_events: ['counter', 'Events pushed by the homeserver', ['type', 'ours']],
  courier_seats_taken: ['counter', 'Times this worker took a courier\'s seat: the first device, the same as before, a new one for a lost one, or one in place of a device that the homeserver removed (replaced)', ['how']],
  attachments: ['counter', 'Files that came with results: taken, by kind, or why not', ['outcome', 'kind']],
  config_reloads: ['counter', 'Times the configuration file was read again: taken, partly, refused, or the same as before', ['outcome']],
  policy_verdicts: ['counter', 'What the rules said, by what was asked', ['asked', 'outcome']],
  policy_signs: ['counter', 'Events that the policy server was asked about, by answer and rule', ['answer', 'rule']],
  policy_seconds: ['histogram', 'Time the policy server took over an event', []],
  policy_left_over: ['counter', 'Refused events that homeservers show something of: taken out, or too many to be taken out', ['outcome']],
  policy_edges: ['counter', 'Times something was done in a room that would make homeservers ask the policy server no more', ['edge']],
  module_answers: ['counter', 'What the module in the homeserver asked, by answer and rule', ['about', 'answer', 'rule']],
  module_seconds: ['histogram', 'Time an answer to the module took', []],
  room_findings: ['counter', 'What was found in rooms that their template or the policy doesn\'t allow, by rule', ['rule', 'outcome']],
  events_not_shown: ['counter', 'Events of other servers that the homeserver pushed and shows to nobody, or couldn\'t be asked about for a day: they changed nothing here, by what they would have been', ['type']],
  notices: ['counter', 'What people had to be told of rooms by the courier: told, or not', ['outcome']],
  courier_restarts: ['counter', 'Times the engine was thrown away and reopened', []],
};

/** Prometheus waits 10 s: what a database that hangs would count is left out before. */
const COUNTS_MS = 4000;

const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Prometheus metrics: numbers and fixed labels. `counts` and `problems` are asked when somebody looks; without the database, what it would count is left out. */
export function createMetrics(counts: () => Promise<StoreCounts | undefined>, problems: () => readonly { readonly part: string; readonly code: string }[] = () => []): MetricsEndpoint {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'aceso_' });
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, [kind, help, labelNames]] of Object.entries(HELP)) {
    const options = { name: kind === 'counter' ? `aceso_${name}_total` : `aceso_${name}`, help, labelNames: [...labelNames], registers: [registry] };
    if (kind === 'counter') counters.set(name, new Counter(options));
    else histograms.set(name, new Histogram({ ...options, buckets: BUCKETS }));
  }
  const gauge = (name: string, help: string, labelNames: readonly string[] = []): Gauge => new Gauge({ name: `aceso_${name}`, help, labelNames: [...labelNames], registers: [registry] });
  const deliveries = gauge('deliveries', 'Deliveries by phase', ['phase']);
  const held = gauge('deliveries_held', 'Deliveries that wait for somebody');
  const undecided = gauge('facts_undecided', 'Facts not decided yet');
  const oldest = gauge('facts_oldest_undecided_seconds', 'Age of the oldest undecided fact');
  const problem = gauge('problem', 'What keeps Aceso from its work now, or soon will: 1 for each', ['part', 'code']);
  const effects = gauge('effects_waiting', 'Effects not done yet');
  const textNow = async (): Promise<string> => {
    problem.reset();
    for (const { part, code } of problems()) problem.set({ part, code }, 1);
    for (const each of [deliveries, held, undecided, oldest, effects]) each.reset();
    const now = await Promise.race([counts().catch(() => undefined), pause(COUNTS_MS, undefined, { ref: false })]);
    if (!now) return registry.metrics();
    for (const [phase, count] of Object.entries(now.deliveries)) deliveries.set({ phase }, count);
    held.set(now.held);
    undecided.set(now.undecided);
    oldest.set(now.oldestUndecidedMs / 1000);
    effects.set(now.effects);
    return registry.metrics();
  };
  let telling: Promise<string> | undefined;
  return {
    count: (name, labels = {}) => counters.get(name)?.inc(labels),
    observe: (name, seconds, labels = {}) => histograms.get(name)?.observe(labels, seconds),
    // Anybody may ask, and counting takes the database a while: however many ask at once, it is counted once.
    text: () => (telling ??= textNow().finally(() => { telling = undefined; })),
  };
}
