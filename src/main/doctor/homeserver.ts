import { createInspection } from '../../adapters/matrix/inspect.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { courierLocalpart, guardianLocalpart, readRegistration } from '../compose.ts';
import { lookAtModule } from './module.ts';
import { lookAtPolicyServer } from './policyServer.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';

const SKEW_MS = 5000;

/** The homeserver: there, with our registration, calling us, with our devices and nobody else's, and the partners behind it. */
export const lookAtHomeserver = (config: LoadedConfig, isRunning: boolean): Promise<readonly Finding[]> => looked('homeserver', 'See `homeserver` in the configuration.', async () => {
  const { url, server_name: serverName } = config.homeserver;
  const inspection = createInspection({ url, serverName, asToken: readRegistration(config).asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config), names: { guardian: '', courier: '' } });
  const versions = await inspection.versions();
  if (!versions.ok) return [broken('homeserver', `${url}: ${versions.error.message}`, 'Is it up, and is `homeserver.url` right?')];
  const findings: Finding[] = [fine('homeserver', `${url}, Matrix ${versions.value.at(-1) ?? 'of an unknown version'}`)];
  const ahead = await inspection.clockAhead();
  if (ahead !== undefined) findings.push(Math.abs(ahead) > SKEW_MS ? warn('clock of the homeserver', `${Math.round(ahead / 1000)} s ahead of this one`, 'Keep both clocks by NTP.') : fine('clock of the homeserver', 'within 5 s of this one'));
  const whoami = await inspection.whoami();
  if (!whoami.ok) return [...findings, broken('registration', whoami.error.message, 'Have the homeserver load the registration file of this Aceso, and restart it. Synapse: app_service_config_files.')];
  findings.push(whoami.value.endsWith(`:${serverName}`) ? fine('registration', `loaded; the token speaks for ${whoami.value}`) : broken('registration', `the homeserver calls itself ${whoami.value.slice(whoami.value.indexOf(':') + 1)}`, 'Correct homeserver.server_name.'));
  return [...findings, ...await calls(inspection, config, isRunning), ...await devices(inspection), ...await partners(inspection, config), ...await lookAtPolicyServer(config, inspection), ...await lookAtModule(config, inspection, isRunning)];
});

type Inspection = ReturnType<typeof createInspection>;

async function calls(inspection: Inspection, { appservice: { id, url } }: LoadedConfig, isRunning: boolean): Promise<readonly Finding[]> {
  if (!isRunning) return [warn('calls of the homeserver', 'not tried: the server doesn\'t run here', '`aceso start`')];
  const ping = await inspection.ping(id);
  return [ping.ok ? fine('calls of the homeserver', `it reaches Aceso at ${url} in ${ping.value} ms`) : broken('calls of the homeserver', ping.error.message, `It must reach ${url}, with the hs_token and the id "${id}" of the registration file: what happens in rooms doesn't come in otherwise.`)];
}

async function devices(inspection: Inspection): Promise<readonly Finding[]> {
  const [guardian, courier] = [await inspection.guardianDevices(), await inspection.courierDevices()];
  const unsigned = courier.ok ? courier.value.filter(({ signed }) => !signed) : [];
  return [
    !guardian.ok ? warn('guardian', guardian.error.message, 'Start the server: it registers the guardian.') : guardian.value.length > 0 ? broken('guardian', `it has devices: ${guardian.value.join(', ')}`, 'ALARM: it must have none. Find out who logged in as it, delete the devices, renew the registration\'s tokens.') : fine('guardian', 'no devices'),
    !courier.ok ? warn('courier', courier.error.message, 'Start the server: it registers the courier.')
      : courier.value.length === 0 ? warn('courier', 'no device with keys at the homeserver', 'Start the server, and see /readyz.')
        : unsigned.length > 0 ? broken('courier', `not signed by its own identity: ${unsigned.map(({ deviceId }) => deviceId).join(', ')}`, 'A device of the courier that its identity didn\'t sign is not Aceso\'s: find out whose it is, and delete it.') : fine('courier', `${courier.value.length} signed device(s): ${courier.value.map(({ deviceId }) => deviceId).join(', ')}`),
  ];
}

const partners = async (inspection: Inspection, config: LoadedConfig): Promise<readonly Finding[]> => Promise.all(config.partners.map(async ({ server_name: server }) => {
  const reached = await inspection.reaches(server);
  return reached.ok ? fine(`partner ${server}`, 'answers through federation') : warn(`partner ${server}`, reached.error.message, 'What is for its people waits. Ask its administrators; check DNS and port 8448 from the homeserver.');
}));
