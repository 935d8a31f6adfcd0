// Checks docker/ as far as this machine can: promtool on the alerts, helm on the chart, docker on the compose file. The image: check-image.mjs.
// Says what it couldn't check for want of a program. test/unit/deploy.test.ts has the checks that need none.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const docker = (...path) => join(root, 'docker', ...path);
const checks = [
  ['alerts', 'promtool', ['check', 'rules', docker('prometheus', 'alerts.yaml')]],
  ['chart: lint', 'helm', ['lint', '--strict', docker('helm', 'aceso')]],
  ['chart: one worker', 'helm', ['template', 'mercy', docker('helm', 'aceso'), '--set', 'serviceMonitor.enabled=true,prometheusRule.enabled=true']],
  ['chart: roles apart', 'helm', ['template', 'mercy', docker('helm', 'aceso'), '--set-json', 'workers=[{"name":"doors","roles":["ingress"],"replicas":2},{"name":"rest","roles":["decider","sender","janitor"],"replicas":2}]', '--set-json', 'networkPolicy.fhirFrom=[{"namespaceSelector":{}}]']],
  ['compose file', 'docker', ['compose', '-f', docker('compose.yaml'), 'config', '--quiet']],
];
let failed = 0;
const outcomes = {};
for (const [what, program, args] of checks) {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const outcome = error?.code === 'ENOENT' || /unknown (command|shorthand)/u.test(stderr ?? '') ? `not checked: ${program} isn't here` : status === 0 ? 'ok' : 'failed';
  if (outcome === 'failed') { failed += 1; process.stderr.write(`${stdout}${stderr}\n`); }
  outcomes[what] = outcome;
  process.stderr.write(`check-deploy: ${what}: ${outcome}\n`);
}
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
process.exit(failed === 0 ? 0 : 1);
