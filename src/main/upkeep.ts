import type { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import { makeRecipient } from '../adapters/archive/keys.ts';
import { number } from './backup/figures.ts';
import { restore, type RestoreOptions } from './backup/restore.ts';
import type { LockOptions, OpenOptions } from './backup/seal.ts';
import { verify } from './backup/verify.ts';
import { backup, type Progress } from './backup/write.ts';
import { catchUpSince } from './catchUp.ts';
import { diagnose } from './doctor/doctor.ts';
import { checkKeys, listKeys, retireKey, rotateKeys } from './keys.ts';
import { openServerKeys, rotateServerKeys } from '../adapters/federation/keyFile.ts';
import { addHandOver, type HandOverParts } from './handOver.ts';
import { migrateDatabase } from './migrate.ts';
import type { Printed } from './print.ts';

export type UpkeepParts = HandOverParts & { readonly config: () => LoadedConfig; readonly configFile: () => string; readonly print: (printed: Printed) => void };

/** The commands by which a hospital keeps Aceso running over the years. */
export function addUpkeep(program: Command, { config, configFile, print, ...handing }: UpkeepParts): void {
  const backups = program.command('backup').description('one sealed file of the database, configuration, templates and registration, while Aceso runs')
    .argument('<file>', 'a new file')
    .option('--passphrase-file <file>', 'seal it under the passphrase in this file, in place of the key ring')
    .option('--recipient <file>', 'seal it for whoever has the private key of this public one, in place of the key ring')
    .option('--with-keys', 'put keys.json into it too: whoever opens it can then read everything')
    .action(async (file: string, options: LockOptions) => print(await backup(config(), file, options, progress())));
  backups.command('verify').description('read a backup to its end, and say what is in it').argument('<file>')
    .option('--passphrase-file <file>').option('--identity <file>', 'the recipient\'s private key').option('--keys <file>', 'the key file, where it isn\'t in its place')
    // `backup` has options of the same names, and would keep what is given here.
    .action(async (file: string, _options: OpenOptions, command: Command) => print(await verify(file, keysFileOf(config), command.optsWithGlobals<OpenOptions>(), progress())));
  backups.command('recipient').description('make a key pair to seal backups for: FILE is the private key, FILE.pub the public one').argument('<file>')
    .action((file: string) => {
      makeRecipient(file);
      print({ json: { private: file, public: `${file}.pub` }, text: `Made ${file} and ${file}.pub. Take ${file} away from this machine: it opens every backup made with \`--recipient ${file}.pub\`.` });
    });

  program.command('restore').description('restore a backup onto an empty machine or database').argument('<file>')
    .option('--into <folder>', 'where the configuration goes; the folder of --config when left out')
    .option('--dry-run', 'only say what is in it and where it would go')
    .option('--allow <folder>', 'another folder into which it may put files, where its configuration names one (may be repeated)', (folder: string, before: readonly string[] | undefined) => [...(before ?? []), folder])
    .option('--passphrase-file <file>').option('--identity <file>', 'the recipient\'s private key').option('--keys <file>', 'the key file to open the backup with, where it isn\'t in its place')
    .option('--data-dir <folder>', 'put the data elsewhere than the configuration in the backup says')
    .option('--postgres-url-file <file>', 'restore into this PostgreSQL database, whatever it was before').option('--sqlite', 'restore into SQLite, whatever it was before')
    .action(async (file: string, options: RestoreOptions) => print(await restore(file, configFile(), options, progress())));

  const policyServer = program.command('policy-server').description('the policy server: its keys, and handing rooms to a partner\'s');
  addHandOver(policyServer, handing);
  policyServer.command('keys').description('the public keys by which it is known; made when there are none, for where the server itself can\'t write its configuration folder').action(() => {
    const { policy_server: settings, at } = config();
    if (settings === undefined) throw new Error('There is no policy_server in the configuration.');
    const { signingKeyId, signing, policy } = openServerKeys(at(settings.keys_file));
    print({ json: { file: at(settings.keys_file), signing: { id: signingKeyId, key: signing.publicKey }, policy: policy.publicKey }, text: `${at(settings.keys_file)}\nIt signs as a server by ${signingKeyId} (${signing.publicKey}); rooms name the key ${policy.publicKey}.` });
  });
  policyServer.command('rotate').description('put a new signing key in force; what the old one signed can still be verified. Restart all workers then')
    .option('--policy-key', 'the key that rooms name, in place of the signing key: every room is told the new one at the restart')
    .action(({ policyKey }: { readonly policyKey?: true }) => {
      const { policy_server: settings, at } = config();
      if (settings === undefined) throw new Error('There is no policy_server in the configuration.');
      rotateServerKeys(at(settings.keys_file), policyKey ? 'policy' : 'signing', Date.now());
      print({ json: { rotated: policyKey ? 'policy' : 'signing' }, text: `A new ${policyKey ? 'policy' : 'signing'} key is in ${at(settings.keys_file)}. Copy the file to all machines, and restart all workers.` });
    });
  const keys = program.command('keys').description('the key file');
  keys.command('list', { isDefault: true }).description('its keys, and how much is wrapped under each').action(async () => print(await listKeys(config())));
  keys.command('check').description('open every wrapped key of the database with it').action(async () => print(await checkKeys(config())));
  keys.command('rotate').description('put a new key in force and wrap every data key under it; goes on where it was when it was cut short').action(async () => print(await rotateKeys(config(), (done) => progress()('data keys', done))));
  keys.command('retire').description('take a key out of the file that nothing is wrapped under').argument('<key>').action(async (id: string) => print(await retireKey(config(), id)));

  program.command('doctor').description('look at everything a support engineer would ask for; exit 0 when nothing failed, 1 when something did')
    .action(async () => {
      const { failed, ...printed } = await diagnose(config());
      print(printed);
      if (failed) process.exitCode = 1;
    });

  program.command('catch-up').description('have the running server read in its rooms what happened since then: for when transactions of the homeserver were lost')
    .requiredOption('--since <time>', 'ISO time, e.g. 2026-11-24T13:00:00Z')
    .action(async ({ since }: { readonly since: string }) => print(await catchUpSince(config(), since)));

  program.command('migrate').description('bring the database to this version\'s schema; the server does it too when it starts').option('--check', 'only say what would be applied')
    .action(async ({ check }: { readonly check?: true }) => print(await migrateDatabase(config(), check)));
}

/** A backup can be read where there is no configuration any more. */
function keysFileOf(config: () => LoadedConfig): string {
  try {
    const loaded = config();
    return loaded.at(loaded.keys_file);
  } catch {
    return 'keys.json';
  }
}

const SHOW_EVERY_MS = 500;

/** Tells a person who watches how far it is; a log or a pipe gets nothing. */
function progress(): Progress {
  let shownAt = 0;
  return (what, done) => {
    if (!process.stderr.isTTY || Date.now() - shownAt < SHOW_EVERY_MS) return;
    shownAt = Date.now();
    process.stderr.write(`\r\u001b[K${number(done)} rows (${what})`);
  };
}
