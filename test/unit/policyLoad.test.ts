import { expect } from 'chai';
import { join } from 'node:path';
import { canonicalText, filesOf, readPolicyFolder, revisionOf, type PolicyFiles } from '../../src/adapters/policy/files.ts';
import { questionOf, targetOf } from '../../src/adapters/policy/grid.ts';
import { loadPolicy } from '../../src/adapters/policy/load.ts';

const BUILT_IN = readPolicyFolder(join(import.meta.dirname, '..', '..', 'config', 'policy'));
const SCHEMA = BUILT_IN['aceso.cedarschema'] ?? '';
const with_ = (rules: string): PolicyFiles => ({ 'aceso.cedarschema': SCHEMA, 'rules.cedar': rules });
const PERMIT = '@id("all-of-it")\n@cite("308(a)(4)")\npermit (principal, action, resource);\n';
const problems = (files: PolicyFiles): readonly string[] => loadPolicy(files).problems.map(({ severity, file, line, rule, message }) => `${severity} ${file}:${line ?? '-'} ${rule ?? '-'} ${message}`);

describe('Loading rules', function () {
  this.timeout(60_000);

  it('takes the default set, which has nothing wrong', () => {
    const { policy, problems: found } = loadPolicy(BUILT_IN);
    expect(found).to.deep.equal([]);
    expect(policy?.rules.length).to.be.greaterThan(20);
    expect(policy?.rules.filter(({ cites }) => cites.length === 0)).to.deep.equal([]);
  });

  const REFUSED: readonly (readonly [given: string, files: PolicyFiles, says: readonly string[]])[] = [
    ['a role that is misspelt', with_(`${PERMIT}\n@id("typo")\n@cite("502(b)")\n@message("No.")\nforbid (principal in Role::"biling", action, resource);`), ['error rules.cedar:8 typo', '"biling"', '"billing"']],
    ['an action that is misspelt', with_('@id("typo") @cite("502(b)")\npermit (principal, action == Action::"jion", resource);'), ['error rules.cedar:2 typo', 'unrecognized action `Action::"jion"`']],
    ['a kind of room that is misspelt', with_('@id("typo") @cite("502(b)")\npermit (principal, action, resource in RoomKind::"result");'), ['error rules.cedar:2 typo', '"results"']],
    ['a fact that there isn\'t', with_('@id("typo") @cite("502(b)")\npermit (principal, action, resource)\nwhen { principal.trained };'), ['error rules.cedar:3 typo', 'trained']],
    ['an optional fact that is taken for granted', with_('@id("bold") @cite("502(b)")\npermit (principal, action, resource) when { principal.mfa };'), ['error', 'has']],
    ['what is not Cedar', with_(`${PERMIT}\npermit (principal action, resource);`), ['error rules.cedar:5', 'unexpected token']],
    ['a rule without a name', with_('@cite("502(b)")\npermit (principal, action, resource);'), ['error rules.cedar:1 - has no @id']],
    ['a rule without a citation', with_('@id("uncited")\npermit (principal, action, resource);'), ['error rules.cedar:1 uncited has no @cite']],
    ['a citation of nothing', with_('@id("cited") @cite("somewhere")\npermit (principal, action, resource);'), ['@cite("somewhere")']],
    ['a refusal without a word to whom it refuses', with_(`${PERMIT}@id("mute") @cite("502(b)")\nforbid (principal in Role::"billing", action, resource);`), ['mute has no @message']],
    ['two rules of one name', with_(PERMIT + PERMIT), ['all-of-it @id("all-of-it") is also the name of a rule in rules.cedar:1']],
    ['an effect that there isn\'t', with_(`${PERMIT}@id("loud") @cite("502(b)") @effect("alarm") @message("No.")\nforbid (principal, action, resource in RoomKind::"shift");`), ['@effect("alarm")']],
    ['a warning that permits', with_('@id("odd") @cite("502(b)") @effect("warn")\npermit (principal, action, resource);'), ['@effect("warn") is for a forbid']],
    ['an annotation that is misspelt', with_('@id("odd") @cite("502(b)") @mesage("No.")\npermit (principal, action, resource);'), ['@mesage is not known']],
    ['no rule at all', with_('// nothing'), ['has no rule']],
    ['no schema', { 'rules.cedar': PERMIT }, ['has no schema']],
    ['a schema that is broken', { 'aceso.cedarschema': 'entity Role enum [', 'rules.cedar': PERMIT }, ['error aceso.cedarschema:']],
    ['a schema without a kind of room that Aceso asks about', { 'aceso.cedarschema': SCHEMA.replace(', "direct"', ''), 'rules.cedar': PERMIT }, ['doesn\'t fit what Aceso asks']],
    ['training that keeps a critical result from its responsible person', with_(`${PERMIT}@id("train-first") @cite("308(a)(5)") @message("Train.")\nforbid (principal, action == Action::"read-result", resource) unless { principal has days_since_training && principal.days_since_training < 400 };`), ['train-first keeps a critical result', 'read-result of']],
    ['a care team that must name them before a critical result reaches its responsible person', with_(`${PERMIT}@id("in-care-only") @cite("502(b)") @message("Ask.")\nforbid (principal, action == Action::"read-result", resource) unless { context.in_care };`), ['in-care-only keeps a critical result', 'care teams']],
    ['devices that keep somebody out of the room in which they would get it', with_(`${PERMIT}@id("good-devices") @cite("312(d)") @message("Mend it.")\nforbid (principal, action == Action::"join", resource) when { principal.posture == Posture::"unknown" };`), ['good-devices keeps a critical result']],
  ];
  for (const [given, files, says] of REFUSED) it(`refuses ${given}, and says where`, () => {
    expect(loadPolicy(files).policy).to.equal(undefined);
    const said = problems(files).join('\n');
    for (const each of says) expect(said).to.include(each);
  });

  it('says of a rule that can never hold, and loads the rest', () => {
    const { policy, problems: found } = loadPolicy(with_(`${PERMIT}\n@id("never") @cite("502(b)")\npermit (principal, action == Action::"join", resource) when { false };`));
    expect(policy).to.not.equal(undefined);
    expect(found.map(({ severity, rule, line }) => ({ severity, rule, line }))).to.deep.equal([{ severity: 'warning', rule: 'never', line: 5 }]);
  });

  it('lets a rule about training pass where it spares the responsible of a critical result', () => {
    const { policy } = loadPolicy(with_(`${PERMIT}@id("train-first") @cite("308(a)(5)") @message("Train.")\nforbid (principal, action == Action::"read-result", resource)\nunless { context.responsible && resource.critical }\nunless { principal has days_since_training && principal.days_since_training < 400 };`));
    expect(policy).to.not.equal(undefined);
  });

  it('names a revision by its text, wherever it lies and whatever system wrote it', () => {
    expect(revisionOf(BUILT_IN)).to.match(/^[0-9a-f]{64}$/u);
    expect(revisionOf(Object.fromEntries(Object.entries(BUILT_IN).reverse().map(([name, text]) => [name, text.replaceAll('\n', '\r\n')])))).to.equal(revisionOf(BUILT_IN));
    expect(revisionOf({ ...BUILT_IN, 'roles.cedar': `${BUILT_IN['roles.cedar'] ?? ''} ` })).to.not.equal(revisionOf(BUILT_IN));
    expect(filesOf(canonicalText(BUILT_IN))).to.deep.equal(BUILT_IN);
  });
});

describe('A verdict', () => {
  const judge = (rules: string): NonNullable<ReturnType<typeof loadPolicy>['policy']>['judge'] => {
    const { policy, problems: found } = loadPolicy(with_(rules));
    if (!policy) throw new Error(found.map(({ message }) => message).join());
    return policy.judge;
  };
  const question = questionOf({ role: 'physician', action: 'join', kind: 'results' });

  it('names its revision and the rules that made it', () => expect(judge(PERMIT)(question)).to.deep.equal({ allowed: true, revision: revisionOf(with_(PERMIT)), rules: ['all-of-it'], message: '', warnings: [] }));

  it('is remembered for the same question, and made anew when a day has passed or an agreement ended', () => {
    const asked = judge(`${PERMIT}@id("train") @cite("308(a)(5)") @effect("warn") @message("Train.")\nforbid (principal, action, resource) unless { principal has days_since_training && principal.days_since_training < 1 };\n@id("agreed-only") @cite("308(b)(1)") @message("None.")\nforbid (principal, action, resource) unless { principal.organisation.own || principal.organisation.agreements.contains(Agreement::"treatment") };`);
    expect(asked({ ...question, at: (question.at + 1000) as never })).to.equal(asked(question));
    expect(asked({ ...question, at: (question.at + 86_400_000) as never }).warnings).to.deep.equal(['train']);
    const partner = { ...question, who: { ...question.who, organisation: { id: 'p', own: false, servers: [], agreements: [{ kind: 'treatment', until: (question.at + 1000) as never }] } } } as const;
    expect([asked(partner).allowed, asked({ ...partner, at: (question.at + 1000) as never }).allowed]).to.deep.equal([true, false]);
  });

  it('is a refusal when no rule permits, and when one forbids what another permits', () => {
    const never = '@id("only-broadcasts") @cite("502(b)")\npermit (principal, action, resource in RoomKind::"broadcast");';
    expect(judge(never)(question)).to.deep.include({ allowed: false, rules: ['default-deny'] });
    expect(judge(`${PERMIT}@id("not-here") @cite("502(b)") @message("Ask the charge nurse.")\nforbid (principal, action in [Action::"create", Action::"join"], resource in RoomKind::"consult");`)(questionOf({ role: 'nurse', action: 'join', kind: 'consult' }))).to.deep.include({ allowed: false, rules: ['not-here'], message: 'Ask the charge nurse.' });
  });

  it('warns beside what it allows, and a warning never refuses', () => {
    const warned = judge(`${PERMIT}@id("train") @cite("308(a)(5)") @effect("warn") @message("Train.")\nforbid (principal, action, resource) unless { principal has days_since_training && principal.days_since_training <= 365 };`);
    const { trainedAt: _, ...untrained } = question.who;
    expect(warned(question).warnings).to.deep.equal([]);
    expect(warned({ ...question, who: untrained })).to.deep.include({ allowed: true, warnings: ['train'] });
  });

  it('is a refusal when a rule breaks down over the question: Cedar would leave a broken forbid out', () => {
    const breaks = judge(`${PERMIT}@id("overflows") @cite("502(b)") @message("No.")\nforbid (principal, action, resource) when { context.emergency && principal has days_since_training && principal.days_since_training * 9223372036854775807 < 0 };`);
    expect(breaks({ ...question, circumstances: { ...question.circumstances, emergency: true }, who: { ...question.who, trainedAt: 0 as never } })).to.deep.include({ allowed: false, rules: ['policy-error', 'overflows'] });
  });

  it('knows nothing of a role that the schema hasn\'t: nothing is permitted', () => {
    const physicians = judge('@id("physicians") @cite("308(a)(4)")\npermit (principal in Role::"physician", action, resource);');
    expect(physicians({ ...question, who: { ...question.who, roles: ['wizard'] } })).to.deep.include({ allowed: false, rules: ['default-deny'] });
    expect(physicians({ ...question, who: { ...question.who, roles: [] } }).message).to.include('The directory doesn\'t know them');
  });

  it('counts a training of the future as none', () => {
    const trained = judge('@id("trained") @cite("308(a)(5)")\npermit (principal, action, resource) when { context.responsible || principal has days_since_training };');
    const other = { ...question, circumstances: { ...question.circumstances, responsible: false } };
    expect(trained(other).allowed).to.equal(true);
    expect(trained({ ...other, who: { ...question.who, trainedAt: (question.at + 1) as never } }).allowed).to.equal(false);
  });

  it('asks of an agreement whether it is in force at that instant', () => {
    const agreed = judge('@id("agreed") @cite("308(b)(1)")\npermit (principal, action, resource) when { principal.organisation.agreements.contains(Agreement::"baa") };');
    const at = question.at;
    const under = (from: number, until: number): boolean => agreed({ ...question, who: { ...question.who, organisation: { id: 'p', own: false, servers: [], agreements: [{ kind: 'baa', from: from as never, until: until as never }] } } }).allowed;
    expect([under(at, at + 1), under(at + 1, at + 2), under(at - 2, at)]).to.deep.equal([true, false, false]);
  });

  it('is asked of results by their labels and how critical they are', () => {
    const labelled = judge('@id("critical-part2") @cite("42 CFR 2.51")\npermit (principal, action == Action::"read-result", resource) when { resource.critical && resource.labels.contains(Label::"part2") };');
    const ask = (critical: boolean, labels: readonly ('part2' | 'restricted')[]): boolean => labelled({ ...question, action: 'read-result', target: { ...targetOf('read-result', 'results'), critical, labels } as never }).allowed;
    expect([ask(true, ['part2']), ask(false, ['part2']), ask(true, ['restricted'])]).to.deep.equal([true, false, false]);
  });
});
