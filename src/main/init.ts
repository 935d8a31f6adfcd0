import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createKeyFile } from '../adapters/keys/keyfile.ts';
import { createRegistration } from '../adapters/matrix/registration.ts';
import { loadConfig, type LoadedConfig } from '../config/load.ts';
import { guardianLocalpart, readRegistration } from './compose.ts';
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
  const next = [`1. Have the homeserver load ${at(config.appservice.registration_file)} (Synapse: app_service_config_files) and restart it.`, '2. Add your sources and people to aceso.yaml; `aceso config check` tells what is missing.', '3. `aceso start`.', `Back up ${at('keys.json')} apart from the data: without it nothing that is stored can be read.`];
  return { json: { folder: resolve(folder), made }, text: [made.length > 0 ? `Made in ${resolve(folder)}: ${made.join(', ')}` : `${resolve(folder)} has everything already; nothing was changed.`, ...next].join('\n') };
}

export function writeRegistration(config: LoadedConfig): void {
  const { id, url, prefix, registration_file: file } = config.appservice;
  const { content } = createRegistration({ id, url, prefix, guardianLocalpart: guardianLocalpart(config), serverName: config.homeserver.server_name });
  writeFileSync(config.at(file), `# For the homeserver, and for Aceso. It holds two secrets.\n${stringify(content)}`, { mode: 0o600 });
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
