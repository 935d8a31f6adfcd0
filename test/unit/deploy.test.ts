import { expect } from 'chai';
import { DockerfileParser } from 'dockerfile-ast';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';
import { createMetrics } from '../../src/adapters/log/metrics.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

type Alert = { readonly alert: string; readonly expr: string; readonly labels: { readonly severity: string }; readonly annotations: { readonly summary: string; readonly runbook: string } };
const alerts = (parse(read('docker', 'prometheus', 'alerts.yaml')) as { readonly groups: readonly { readonly rules: readonly Alert[] }[] }).groups.flatMap(({ rules }) => rules);
const dashboard = JSON.parse(read('docker', 'grafana', 'aceso.json')) as { readonly panels: readonly { readonly id: number; readonly title: string; readonly targets: readonly { readonly expr: string }[] }[] };

const known = async (): Promise<ReadonlySet<string>> => {
  const text = await createMetrics(async () => ({ undecided: 0, oldestUndecidedMs: 0, effects: 0, waitingEffects: 0, deliveries: {}, held: 0 })).text();
  return new Set([...text.matchAll(/^# TYPE (\S+) (\S+)$/gmu)].flatMap(([, name = '', type]) => (type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])));
};
const metricsIn = (expression: string): readonly string[] => [...expression.matchAll(/\baceso_\w+/gu)].map(([name]) => name);

describe('What is deployed', () => {
  it('alerts only on metrics that there are', async () => {
    const names = await known();
    for (const { alert, expr } of alerts) expect(metricsIn(expr).filter((name) => !names.has(name)), alert).to.deep.equal([]);
    expect(alerts.length).to.be.greaterThan(8);
  });

  it('has a page in docs/operations.md for every alert, and none for others', () => {
    const pages = [...read('docs', 'operations.md').matchAll(/^### (Aceso\w+)$/gmu)].map(([, name]) => name);
    expect([...pages].sort()).to.deep.equal(alerts.map(({ alert }) => alert).sort());
    for (const { alert, annotations, labels } of alerts) {
      expect(annotations.runbook).to.equal(`docs/operations.md#${alert.toLowerCase()}`);
      expect(labels.severity).to.be.oneOf(['page', 'ticket']);
    }
  });

  it('draws only metrics that there are', async () => {
    const names = await known();
    for (const { title, targets } of dashboard.panels) expect(targets.flatMap(({ expr }) => metricsIn(expr)).filter((name) => !names.has(name)), title).to.deep.equal([]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).to.equal(dashboard.panels.length);
  });

  it('is an image that drops root, checks its health, and takes in only what runs', () => {
    const instructions = DockerfileParser.parse(read('docker', 'Dockerfile')).getInstructions();
    const last = (keyword: string): string | null | undefined => instructions.filter((each) => each.getKeyword() === keyword).at(-1)?.getArgumentsContent();
    expect(last('USER')).to.equal('10001:10001');
    expect(last('HEALTHCHECK'), 'plain HTTP, whatever the doors speak').to.include('http://127.0.0.1:9102/healthz');
    expect(configSchema.shape.operations.parse({}).port).to.equal(9102);
    expect(instructions.filter((each) => each.getKeyword() === 'ADD')).to.deep.equal([]);
    const sources = instructions.filter((each) => each.getKeyword() === 'COPY').flatMap((each) => (each.getArgumentsContent() ?? '').split(' ').slice(0, -1).filter((source) => !source.startsWith('/') && !source.startsWith('--')));
    const allowed = read('.dockerignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect([...new Set(sources)].sort()).to.deep.equal([...allowed].sort());
    for (const source of sources) expect(readdirSync(ROOT)).to.include(source);
  });

  it('is a compose file whose every service is hardened, and whose inner network has no way out', () => {
    const compose = parse(read('docker', 'compose.yaml'), { merge: true }) as { readonly services: Readonly<Record<string, { readonly read_only?: boolean; readonly cap_drop?: readonly string[]; readonly security_opt?: readonly string[]; readonly ports?: unknown; readonly networks: readonly string[]; readonly depends_on?: unknown }>>; readonly networks: Readonly<Record<string, { readonly internal?: boolean }>> };
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service, name).to.deep.include({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
      if (name !== 'proxy') expect(service.ports, name).to.equal(undefined);
    }
    expect(compose.networks['inside']?.internal).to.equal(true);
    expect(compose.services['postgres']?.networks).to.deep.equal(['inside']);
  });
});
