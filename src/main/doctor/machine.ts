import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasAgreementKey, readAgreementKey } from '../../adapters/auth/agreementKey.ts';
import { openKeyFile } from '../../adapters/keys/keyfile.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { readRegistration, templatesOf } from '../compose.ts';
import { keyPath } from '../agreements/document.ts';
import { bytes, number } from '../backup/figures.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';

const LOW_BYTES = 1024 ** 3;
const FULL_BYTES = 64 * 1024 ** 2;
const LOW_INODES = 10_000;

/** Files, who may read them, and room on the disk. */
export async function lookAtMachine(config: LoadedConfig): Promise<readonly Finding[]> {
  const { registration_file: registration } = config.appservice;
  return [
    fine('Node', process.version),
    fine('configuration', config.path),
    ...secret('configuration file', config.path),
    ...await looked('key file', 'Restore it from its copy.', () => [fine('key file', `${config.at(config.keys_file)}, ${openKeyFile(config.at(config.keys_file)).keyIds.length} key(s)`)]),
    ...await looked('registration', '`aceso registration --renew`, then have the homeserver load it.', () => { readRegistration(config); return [fine('registration', config.at(registration)), ...secret('registration file', config.at(registration))]; }),
    ...moduleToken(config),
    ...await looked('key for agreements', 'Restore it from a backup: with another one, agreements must be signed anew.', () => agreementKey(config)),
    ...await looked('templates', 'Copy results.yaml of the installation into the folder.', () => [fine('templates', [...templatesOf(config).keys()].join(', '))]),
    ...await looked('data folder', 'Create it, for Aceso\'s user alone.', () => dataFolder(config.at(config.data_dir))),
    ...strangers(config),
  ];
}

function secret(what: string, path: string): readonly Finding[] {
  return (statSync(path).mode & 0o077) === 0 ? [] : [warn(what, 'can be read by others on this machine', `chmod 600 ${path} (the homeserver reads its own copy of the registration)`)];
}

const moduleToken = ({ at, appservice: { module_token_file: file } }: LoadedConfig): readonly Finding[] =>
  (file === undefined || !existsSync(at(file)) ? [] : secret('token of the homeserver\'s module', at(file)));

async function agreementKey(config: LoadedConfig): Promise<readonly Finding[]> {
  const what = 'key for agreements';
  if (hasAgreementKey(keyPath(config))) return [fine(what, `${keyPath(config)}, ${(await readAgreementKey(keyPath(config))).thumbprint}`)];
  return config.agreements.required ? [warn(what, `${keyPath(config)} is not there: no agreement counts, and nothing goes to partners`, '`aceso agreements key` makes it; if there was one, restore it.')] : [];
}

function dataFolder(path: string): readonly Finding[] {
  if (!existsSync(path)) return [warn('data folder', `${path} is not there`, 'It is made by the first `aceso start`.')];
  const disk = statfsSync(path);
  const free = disk.bavail * disk.bsize;
  const room = `${bytes(free)} and ${number(disk.ffree)} inodes free in ${path}`;
  const space = free < FULL_BYTES ? [broken('disk', room, 'Make room now: nothing can be taken in when it is full.')] : free < LOW_BYTES || (disk.files > 0 && disk.ffree < LOW_INODES) ? [warn('disk', room, 'Make room before it is full.')] : [fine('disk', room)];
  const open = [path, ...readdirSync(path).map((name) => join(path, name))].filter((each) => (statSync(each).mode & 0o007) !== 0);
  return [...space, ...(open.length > 0 && (statSync(path).mode & 0o077) !== 0 ? [warn('data folder', `${path} can be entered by others`, `chmod 700 ${path}`)] : [])];
}

/** People whose server is no partner: nothing would reach them. */
function strangers({ directory, homeserver, partners }: LoadedConfig): readonly Finding[] {
  const agreed = new Set([homeserver.server_name, ...partners.map(({ server_name: name }) => name)]);
  const everybody = [...directory.people.map(({ id, user_id: user }) => ({ id, user })), ...directory.teams.flatMap(({ id, members }) => members.map((user) => ({ id, user })))];
  return everybody.filter(({ user }) => !agreed.has(user.slice(user.indexOf(':') + 1))).map(({ id, user }) => warn('directory', `${id}: the server of ${user} is not among the partners`, 'Add the partner with its agreement, or correct the id: what is for them would be held as no-agreement.'));
}
