import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** What must not be written, and the rule that refuses it. */
const BREACHES: readonly (readonly [rule: string, file: string, code: string])[] = [
  ['domain-is-pure', 'src/domain/bad.ts', `import { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n`],
  ['domain-is-pure', 'src/domain/bad.ts', `import type { Store } from '../ports/store.ts';\nexport type X = Store;\n`],
  ['ports-know-domain', 'src/ports/bad.ts', `import { createLoop } from '../loop/loop.ts';\nexport const x = createLoop;\n`],
  ['loop-knows-domain-and-ports', 'src/loop/bad.ts', `import { createStore } from '../adapters/store/store.ts';\nexport const x = createStore;\n`],
  ['adapter-is-alone', 'src/adapters/http/bad.ts', `import { createStore } from '../store/store.ts';\nexport const x = createStore;\n`],
  ['bridge-is-alone', 'bridges/fhir-push/bad.ts', `import { createStore } from '../../src/adapters/store/store.ts';\nexport const x = createStore;\n`],
  ['only-main-knows-bridges', 'src/loop/bad.ts', `import { createFhirPush } from '../../bridges/fhir-push/index.ts';\nexport const x = createFhirPush;\n`],
  ['config-knows-domain', 'src/config/bad.ts', `import type { Store } from '../ports/store.ts';\nexport type X = Store;\n`],
  ['one-home-for-kysely', 'src/main/bad.ts', `import { Kysely } from 'kysely';\nexport const x = Kysely;\n`],
  ['one-home-for-express', 'src/adapters/log/bad.ts', `import express from 'express';\nexport const x = express;\n`],
  ['one-home-for-jose', 'src/main/bad.ts', `import { jwtVerify } from 'jose';\nexport const x = jwtVerify;\n`],
  ['one-home-for-@cedar-policy/', 'src/main/bad.ts', `import { getCedarVersion } from '@cedar-policy/cedar-wasm/nodejs';\nexport const x = getCedarVersion;\n`],
  ['indexeddb-stands-alone', 'src/adapters/crypto/indexeddb/bad.ts', `import { ok } from '../../../domain/outcome.ts';\nexport const x = ok;\n`],
];

describe('The boundaries', function () {
  this.timeout(60_000);
  let copy: string;

  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'aceso-boundaries-'));
    for (const name of ['src', 'bridges', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  it('refuse every breach by its rule, and the check fails', () => {
    const files = BREACHES.map(([rule, file, code], index) => [rule, file.replace('bad', `bad${index}`), code] as const);
    for (const [, file, code] of files) {
      mkdirSync(dirname(join(copy, file)), { recursive: true });
      writeFileSync(join(copy, file), code);
    }
    const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'), '--config', '.dependency-cruiser.cjs', '--output-type', 'err', 'src', 'bridges'], { cwd: copy, encoding: 'utf8', maxBuffer: 1 << 28 });
    const violations = [...stdout.matchAll(/error ([\w@/-]+): (\S+) →/gu)].map(([, rule = '', from = '']) => ({ rule, from }));
    for (const [rule, file] of files) expect(violations.filter(({ from }) => from === file).map((violation) => violation.rule), file).to.include(rule);
    expect(violations.filter(({ from }) => !from.includes('/bad')), 'the code as it stands').to.deep.equal([]);
    expect(status).to.be.greaterThan(0);
  });
});
