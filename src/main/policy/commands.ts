import { Argument, Option, type Command } from 'commander';
import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { as, type Millis, type UserId } from '../../domain/brand.ts';
import type { Who } from '../../domain/policy/question.ts';
import { ACTIONS, LABELS, RECORDS, ROOM_KINDS } from '../../domain/policy/words.ts';
import { organisationsIn } from '../agreements/register.ts';
import { openStore, settingsOf, type Opened } from '../compose.ts';
import { table, type Printed } from '../print.ts';
import type { ExplainOptions } from './explain.ts';

export type PolicyParts = { readonly config: () => LoadedConfig; readonly print: (printed: Printed) => void };

const SOURCES_HELP = `
Rules are named as
  in-force      those that were loaded last, by any worker
  configured    the folder policy_dir as it is now; those that come with Aceso when there is none
  built-in      those that come with Aceso
  FOLDER        a folder with *.cedar and one *.cedarschema
  REVISION      the beginning of a revision of \`aceso policy history\``;

const words = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), ...value.split(',').map((each) => each.trim()).filter((each) => each !== '')];

/** `aceso policy`: what the rules say, what is wrong with them, and what a change of them changes. The engine is loaded only by who asks it. */
export function addPolicy(program: Command, { config, print }: PolicyParts): void {
  const policy = program.command('policy').description('the rules: who may do what (docs/policy.md)');
  const now = (): Millis => as<Millis>(Date.now());

  /** Runs a command that may need the database: it is opened when it is first asked for, and closed. */
  const withDatabase = async (run: (opened: () => Promise<Opened>) => Promise<Printed>): Promise<void> => {
    let opened: Promise<Opened> | undefined;
    try {
      print(await run(() => (opened ??= openStore(config(), 'as-is'))));
    } finally {
      await opened?.then(({ store }) => store.close(), () => undefined);
    }
  };
  const named = async (name: string, opened: () => Promise<Opened>): Promise<LoadedPolicy> => {
    const { filesNamed, loaded } = await import('./source.ts');
    return loaded(name, await filesNamed(name, config, async () => (await opened()).policies));
  };

  policy.command('check').description('say everything that is wrong with rules: syntax, typos, missing citations, rules that can never count; exit 1 when something is')
    .argument('[rules]', 'a folder, or as below', 'configured').addHelpText('after', SOURCES_HELP)
    .action((name: string) => withDatabase(async (opened) => {
      const [{ checkRules }, { filesNamed }] = [await import('./check.ts'), await import('./source.ts')];
      const { failed, ...printed } = checkRules(name, await filesNamed(name, config, async () => (await opened()).policies));
      if (failed) process.exitCode = 1;
      return printed;
    }));

  policy.command('explain').description('whether somebody may do something, and the rules that say so')
    .argument('<who>', 'short name or Matrix id of the directory; or role:physician, for anybody of it who is as they should be')
    .addArgument(new Argument('<action>', `one of ${ACTIONS.join(', ')}`))
    .argument('<what>', `a room: ${ROOM_KINDS.join(', ')}; results are read in one of them. To administer or export, also ${RECORDS.join(', ')}`)
    .option('--given <words>', 'what else is so, with commas: responsible, in-care, consent, emergency, reason, approved; or nothing', words)
    .option('--patient', 'whether the patient is in their care, and consented, is asked of what sources say; the patient\'s name is read from standard input (system|value, as results have it)')
    .option('--critical', 'the result is critical').addOption(new Option('--label <label>', `a security label of the result (may be repeated): ${LABELS.join(', ')}`).argParser(words))
    .addOption(new Option('--rules <rules>', 'by which rules').default('in-force or configured')).addHelpText('after', SOURCES_HELP)
    .addHelpText('after', '\nWithout --given, the result is theirs to act on and the patient in their care (responsible,in-care).\n\n  aceso policy explain dr-okafor read-result results --critical\n  aceso policy explain dr-okafor join patient --patient < name-of-the-patient\n  aceso policy explain role:billing join consult\n  aceso policy explain dr-okafor read-result results --label part2 --given responsible,consent')
    .action((who: string, action: string, what: string, options: Partial<ExplainOptions> & { readonly rules: string; readonly patient?: true }) => withDatabase(async (opened) => {
      const { explain, questionFrom, whoNamed } = await import('./explain.ts');
      const { asTheyShouldBe } = await import('../../adapters/policy/grid.ts');
      const role = /^role:(.+)$/u.exec(who)?.[1];
      const rules = options.rules === 'in-force or configured' ? await named('in-force', opened).catch(() => named('configured', opened)) : await named(options.rules, opened);
      if (role !== undefined && !rules.roles.includes(role)) throw new Error(`${role} is not a role. There are ${rules.roles.join(', ')}.`);
      const at = now();
      const asker: Who = role === undefined ? await whoNamed((await opened()).store, who, await organisationsIn((await opened()).store, config())) : { ...asTheyShouldBe(role), userId: as<UserId>(`@any-${role}:example`), trainedAt: at };
      if (options.patient === undefined) return explain(rules, questionFrom(asker, action, what, { ...options, given: options.given ?? ['responsible', 'in-care'] }, at));
      if (role !== undefined || options.given?.includes('in-care') || options.given?.includes('consent')) throw new Error('--patient asks what sources say of one person: name somebody of the directory, and leave in-care and consent out of --given.');
      const { careOfNamed, consentsOfNamed } = await import('./care.ts');
      const { patientGiven } = await import('../patient.ts');
      const { store, keys } = await opened();
      const patient = patientGiven(keys);
      const [careBy, consents] = [await careOfNamed(store, asker.userId, patient, at), await consentsOfNamed(store, asker, patient, settingsOf(config()), at)];
      const said = [...(careBy.length > 0 ? ['in-care'] : []), ...(consents.grants.length > 0 ? ['consent'] : [])];
      return explain(rules, questionFrom(asker, action, what, { ...options, given: [...(options.given ?? ['responsible']), ...said] }, at), { careBy, consents });
    }));

  policy.command('diff').description('which rules, and which cells of the role matrix, a change of the rules changes')
    .argument('[before]', 'rules', 'in-force').argument('[after]', 'rules', 'configured').addHelpText('after', SOURCES_HELP)
    .action((before: string, after: string) => withDatabase(async (opened) => {
      const { diffPolicies } = await import('./diff.ts');
      return diffPolicies(await named(before, opened), await named(after, opened));
    }));

  policy.command('simulate').description('what would change for the people and rooms of today, before the rules are in force')
    .argument('[rules]', 'the rules to try', 'configured').addOption(new Option('--against <rules>', 'the rules to compare with').default('in-force')).addHelpText('after', SOURCES_HELP)
    .action((after: string, { against }: { readonly against: string }) => withDatabase(async (opened) => {
      const { simulate } = await import('./simulate.ts');
      return simulate((await opened()).store, await named(against, opened), await named(after, opened), await organisationsIn((await opened()).store, config()), now());
    }));

  policy.command('history').description('every revision that was in force, and when').action(() => withDatabase(async (opened) => (await import('./history.ts')).policyHistory((await opened()).policies)));
  policy.command('show').description('the text of rules').argument('[rules]', 'as below', 'in-force').addHelpText('after', SOURCES_HELP)
    .action((name: string) => withDatabase(async (opened) => {
      const [{ showPolicy }, { filesNamed }] = [await import('./write.ts'), await import('./source.ts')];
      return showPolicy(await filesNamed(name, config, async () => (await opened()).policies));
    }));
  policy.command('roles').description('the roles that people of the directory may have').argument('[rules]', 'as below', 'configured').addHelpText('after', SOURCES_HELP)
    .action((name: string) => withDatabase(async (opened) => {
      const { roles } = await named(name, opened);
      return { json: roles, text: table(['ROLE'], roles.map((role) => [role]), '') };
    }));
  policy.command('init').description('put the rules that come with Aceso into a folder, to begin from; keeps what is there').argument('<folder>')
    .action(async (folder: string) => print((await import('./write.ts')).initPolicy(folder)));
}
