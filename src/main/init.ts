import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createKeyFile } from '../adapters/keys/keyfile.ts';
import { createRegistration } from '../adapters/matrix/registration.ts';
import { loadConfig, type LoadedConfig } from '../config/load.ts';
import { courierLocalpart, guardianLocalpart, readRegistration } from './compose.ts';
import type { Printed } from './print.ts';

export type InitOptions = { readonly organisation: string; readonly homeserverUrl: string; readonly serverName: string; readonly url: string };

const TEMPLATES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'config', 'templates');

/** Makes what a hospital needs to start: configuration, keys, templates, registration. What is there already is kept. */
export function init(folder: string, options: InitOptions): Printed {
  const at = (name: string): string => join(resolve(folder), name);
  mkdirSync(at('templates'), { recursive: true, mode: 0o700 });
  const made: string[] = [];
  const make = (name: string, write: (path: string) => void): void => {
    if (existsSync(at(name))) return;
    write(at(name));
    made.push(name);
  };
  make('aceso.yaml', (path) => writeFileSync(path, example(options), { mode: 0o600 }));
  make('keys.json', createKeyFile);
  for (const name of readdirSync(TEMPLATES)) make(join('templates', name), (path) => copyFileSync(join(TEMPLATES, name), path));
  const config = loadConfig(at('aceso.yaml'));
  make(config.appservice.registration_file, () => writeRegistration(config));
  const { module_token_file: tokenFile } = config.appservice;
  if (tokenFile !== undefined) {
    make(tokenFile, () => writeFileSync(config.at(tokenFile), `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 }));
    make('homeserver-aceso.yaml', (path) => writeFileSync(path, homeserverPart(config, config.at(tokenFile)), { mode: 0o600 }));
  }
  const next = [`1. Have the homeserver load ${at(config.appservice.registration_file)} (Synapse: app_service_config_files) and restart it. With Aceso's module, start Synapse with homeserver-aceso.yaml too (docs/synapse-module.md); without, take module_token_file out of aceso.yaml.`, '2. Add your sources and people to aceso.yaml; `aceso config check` tells what is missing.', '3. `aceso start`.', `Back up ${at('keys.json')} apart from the data: without it nothing that is stored can be read.`];
  return { json: { folder: resolve(folder), made }, text: [made.length > 0 ? `Made in ${resolve(folder)}: ${made.join(', ')}` : `${resolve(folder)} has everything already; nothing was changed.`, ...next].join('\n') };
}

export function writeRegistration(config: LoadedConfig): void {
  const { id, url, prefix, registration_file: file } = config.appservice;
  const { content } = createRegistration({ id, url, prefix, guardianLocalpart: guardianLocalpart(config), serverName: config.homeserver.server_name });
  writeFileSync(config.at(file), `# For the homeserver, and for Aceso. It holds two secrets.\n${stringify(content)}`, { mode: 0o600 });
}

/** What Synapse needs of its configuration; given to it after its own file. */
function homeserverPart(config: LoadedConfig, tokenFile: string): string {
  const { homeserver: { server_name: serverName }, appservice: { url, registration_file: registrationFile } } = config;
  const { protocol, hostname } = new URL(url);
  // The module takes plain HTTP to another machine only where it is told that nobody else is on the way.
  const moduleUrl = protocol === 'http:' && !['127.0.0.1', '[::1]', 'localhost'].includes(hostname) ? url.replace('http:', 'http+inside:') : url;
  return `# For Synapse, after its own file: -c homeserver.yaml -c homeserver-aceso.yaml. A key that is here replaces the one there whole: if homeserver.yaml has
# modules or app_service_config_files of its own, put those entries here too. Paths are as Synapse sees them; token and registration are for its user alone.
${stringify({
    app_service_config_files: [config.at(registrationFile)],
    modules: [{ module: 'aceso_module.AcesoModule', config: { url: moduleUrl, token_file: tokenFile, guardian: `@${guardianLocalpart(config)}:${serverName}`, courier: `@${courierLocalpart(config)}:${serverName}` } }],
    presence: { enabled: false },
    enable_registration: false,
    allow_public_rooms_over_federation: false,
    allow_public_rooms_without_auth: false,
  })}`;
}

export function registration(config: LoadedConfig, isRenewed: true | undefined): Printed {
  if (isRenewed) writeRegistration(config);
  readRegistration(config);
  const file = config.at(config.appservice.registration_file);
  return { json: { file, content: readFileSync(file, 'utf8') }, text: `${isRenewed ? 'Renewed' : 'In force'}: ${file}. The homeserver must load this file and be restarted after every change.` };
}

const example = ({ organisation, homeserverUrl, serverName, url }: InitOptions): string => `# Aceso at ${organisation}. Every key: \`aceso config schema\`.
organisation:
  name: ${JSON.stringify(organisation)}
homeserver:
  url: ${homeserverUrl}
  server_name: ${JSON.stringify(serverName)}
appservice:
  url: ${url}
  port: ${new URL(url).port || '9100'}
  module_token_file: module-token
# Hospitals whose people may get results: their servers are the only ones admitted.
partners: []
#  - { server_name: stanne.example, name: St. Anne }
# Systems that push FHIR. Make a token with \`aceso source token\`.
sources: []
#  - id: lab
#    name: Mercy Laboratory
#    tokens: [{ sha256: … }]
#    owner: "Laboratory desk, ext. 4410"
# People by whom results are found; also with \`aceso people enrol\`.
directory:
  people: []
#    - { id: dr-okafor, name: "Dr. Ada Okafor", user_id: "@ada:stanne.example", npi: "1234567893" }
  teams: []
`;
