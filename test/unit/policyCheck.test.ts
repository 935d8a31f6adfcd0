import { expect } from 'chai';
import { join } from 'node:path';
import { checkPolicy } from '../../src/adapters/policy/check.ts';
import { readPolicyFolder } from '../../src/adapters/policy/files.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { diffPolicies } from '../../src/main/policy/diff.ts';
import { loaded } from '../../src/main/policy/source.ts';

const SCHEMA = readPolicyFolder(BUILT_IN)['aceso.cedarschema'] ?? '';
const with_ = (rules: string): Readonly<Record<string, string>> => ({ 'aceso.cedarschema': SCHEMA, 'rules.cedar': rules });
const permit = (id: string, scope: string, when = ''): string => `@id("${id}") @cite("308(a)(4)")\npermit (${scope})${when};\n`;
const forbid = (id: string, scope: string, when = ''): string => `@id("${id}") @cite("502(b)") @message("No.")\nforbid (${scope})${when};\n`;
const never = (...rules: readonly string[]): readonly string[] => checkPolicy(with_(rules.join('\n'))).problems.map(({ rule = '', message }) => `${rule}: ${message}`);

describe('A check of rules', function () {
  this.timeout(60_000);
  const all = permit('all-of-it', 'principal, action, resource');

  it('has nothing to say of the default set', () => expect(checkPolicy(readPolicyFolder(BUILT_IN)).problems).to.deep.equal([]));

  it('names a permit that a refusal always beats, and the refusal', () => {
    const consult = permit('billing-in-consults', 'principal in Role::"billing", action == Action::"join", resource in RoomKind::"consult"');
    expect(never(all, consult, forbid('billing-out', 'principal in Role::"billing", action, resource'))).to.deep.equal(['billing-in-consults: never permits anything: wherever it holds, billing-out refuses']);
    expect(never(all, consult, forbid('billing-out', 'principal, action == Action::"join", resource', ' when { principal in [Role::"billing"] && resource in [RoomKind::"consult"] }')), 'also when it says so as a condition').to.have.length(1);
  });

  it('is silent where the permit counts somewhere, or the refusal asks for more than role, action and room', () => {
    const join = permit('billing-joins', 'principal in Role::"billing", action == Action::"join", resource');
    expect(never(all, join, forbid('no-consult', 'principal in Role::"billing", action, resource in RoomKind::"consult"'))).to.deep.equal([]);
    expect(never(all, join, forbid('only-own', 'principal in Role::"billing", action, resource', ' unless { principal.organisation.own }'))).to.deep.equal([]);
    expect(never(all, join, `@id("warned") @cite("502(b)") @effect("warn") @message("Hm.")\nforbid (principal in Role::"billing", action, resource);`)).to.deep.equal([]);
  });
});

describe('A difference of rules', function () {
  this.timeout(60_000);
  const before = policyOf(BUILT_IN);
  type Shown = { readonly rules: readonly { readonly rule: string; readonly change: string }[]; readonly cells: readonly { readonly role: string; readonly action: string; readonly kind: string; readonly before: boolean; readonly after: boolean }[] };
  const changed = (file: string, change: (text: string) => string): ReturnType<typeof diffPolicies> => {
    const files = readPolicyFolder(join(BUILT_IN));
    return diffPolicies(before, loaded('changed', { ...files, [file]: change(files[file] ?? '') }));
  };

  it('names the rules and the cells of the matrix that it changes', () => {
    const { json, text } = changed('roles.cedar', (rules) => rules.replace('permit (principal in Role::"billing", action in [Action::"join", Action::"send"], resource in RoomKind::"direct");', 'permit (principal in Role::"billing", action in [Action::"join"], resource in RoomKind::"direct");'));
    const { rules, cells } = json as Shown;
    expect(rules.map(({ rule, change }) => `${change} ${rule}`)).to.deep.equal(['changed billing-by-direct-message']);
    expect(cells.map(({ role, action, kind, before: was, after: is }) => [role, action, kind, was, is])).to.deep.equal([['billing', 'send', 'direct', true, false]]);
    expect(text).to.include('billing  send    direct  yes     no     default-deny');
  });

  it('says when only a comment differs', () => expect(changed('roles.cedar', (rules) => `// reviewed\n${rules}`).text).to.include('No rule differs').and.include('No cell of the role matrix differs'));

  it('counts a role that is new', () => {
    const { json } = changed('aceso.cedarschema', (schema) => schema.replace('"physician",', '"physician", "chaplain",'));
    expect((json as Shown).cells).to.deep.equal([]);
  });
});
