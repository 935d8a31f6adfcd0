import { expect } from 'chai';
import fc from 'fast-check';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createKeyFile, openKeyFile } from '../../src/adapters/keys/keyfile.ts';
import { decode, encode, subjectsIn, subjectsOf } from '../../src/adapters/store/seal.ts';
import { as, type SubjectId } from '../../src/domain/brand.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import { createLog } from '../../src/adapters/log/log.ts';

const SECRET = 'Rosa Quintana';
const subject = as<SubjectId>('s1');
const sealed = Sealed.of(subject, { name: SECRET });
const keys = new Map([['s1', new Uint8Array(32).fill(1)], ['s2', new Uint8Array(32).fill(2)]]);

describe('Sealed data', () => {
  it('can\'t be printed, logged, put into text or JSON, or spread', () => {
    const lines: string[] = [];
    createLog('info', { write: (line: string) => { lines.push(line); } }).info('x', { field: sealed as unknown as string });
    // eslint-disable-next-line @typescript-eslint/no-misused-spread -- the misuse is what is tested
    for (const text of [inspect(sealed, { depth: 9, showHidden: true }), String(sealed), JSON.stringify({ sealed }), JSON.stringify({ ...sealed }), Object.values(sealed).join(), lines.join()]) expect(text).not.to.include('Rosa');
  });

  it('is stored as a box that only its subject\'s key opens', () => {
    const text = encode({ open: 1, list: [sealed, { deep: sealed }] }, keys);
    expect(text).not.to.include('Rosa');
    expect([...subjectsOf(text)]).to.deep.equal(['s1']);
    const value = decode(text, keys) as { readonly list: readonly [Sealed<unknown>, { readonly deep: Sealed<unknown> }] };
    expect(value.list[0].reveal()).to.deep.equal({ name: SECRET });
    expect(value.list[1].deep.reveal()).to.deep.equal({ name: SECRET });
    expect(() => decode(text, new Map([['s1', new Uint8Array(32).fill(9)]]))).to.throw();
    expect(() => decode(text, new Map())).to.throw(/destroyed/u);
  });

  it('keeps its box as long as it and the key of its subject stay the same, and gets another one under another key', () => {
    const value = Sealed.of(subject, { name: SECRET });
    const text = encode(value, keys);
    const opened = decode(text, keys) as Sealed<{ readonly name: string }>;
    expect([encode(value, keys), encode(opened, keys)]).to.deep.equal([text, text]);
    expect(encode(opened.map((same) => same), keys)).not.to.equal(text);
    const others = new Map([['s1', new Uint8Array(32).fill(3)]]);
    for (const each of [value, opened]) expect((decode(encode(each, others), others) as typeof opened).reveal()).to.deep.equal({ name: SECRET });
    expect(() => encode(opened, new Map())).to.throw(/destroyed/u);
  });

  it('can\'t be moved to another subject, or changed', () => {
    const text = encode(sealed, keys);
    expect(() => decode(text.replace('"s1"', '"s2"'), keys)).to.throw();
    const box = /"b":"([^"]+)"/u.exec(text)?.[1] ?? '';
    const bytes = Buffer.from(box, 'base64');
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(() => decode(text.replace(box, bytes.toString('base64')), keys)).to.throw();
  });

  it('comes back as it was, whatever it is', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const back = decode(encode({ box: Sealed.of(subject, value) }, keys), keys) as { readonly box: Sealed<unknown> };
      expect(back.box.reveal()).to.deep.equal(JSON.parse(JSON.stringify(value)));
    }), { numRuns: 200 });
  });

  it('names its subjects wherever they are', () => {
    expect([...subjectsIn({ a: [Sealed.of(as<SubjectId>('s2'), 1)], b: { c: sealed } })].sort()).to.deep.equal(['s1', 's2']);
  });
});

describe('The key file', () => {
  let folder: string;
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'aceso-keys-')); });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const path = (): string => join(folder, 'keys.json');

  it('is never replaced', () => {
    createKeyFile(path());
    const before = readFileSync(path(), 'utf8');
    expect(() => createKeyFile(path())).to.throw(/EEXIST/u);
    expect(readFileSync(path(), 'utf8')).to.equal(before);
  });

  it('wraps a data key for one subject alone', () => {
    createKeyFile(path());
    const ring = openKeyFile(path());
    const wrapped = ring.wrap(new Uint8Array(32).fill(7), 's1');
    expect([...ring.unwrap(wrapped, 's1', ring.keyId)]).to.deep.equal(new Array(32).fill(7));
    expect(() => ring.unwrap(wrapped, 's2', ring.keyId)).to.throw();
    expect(() => ring.unwrap(wrapped, 's1', 'other')).to.throw(/belongs to this database/u);
  });

  it('gives pseudonyms that are stable, apart by kind, and fit a FHIR id', () => {
    createKeyFile(path());
    const ring = openKeyFile(path());
    expect(ring.pseudonym('patient', 'mrn|1')).to.equal(openKeyFile(path()).pseudonym('patient', 'mrn|1')).and.to.match(/^[a-z2-7]{26}$/u);
    expect(ring.pseudonym('report', 'mrn|1')).not.to.equal(ring.pseudonym('patient', 'mrn|1'));
  });

  it('says what to do when it is missing, broken, or open to others', () => {
    expect(() => openKeyFile(path())).to.throw(/aceso init/u);
    createKeyFile(path());
    chmodSync(path(), 0o644);
    expect(() => openKeyFile(path())).to.throw(/chmod 600/u);
    rmSync(path());
    writeFileSync(path(), '{"keyId":"k","keyEncryptionKey":"c2hvcnQ="', { mode: 0o600 });
    expect(() => openKeyFile(path())).to.throw(/^(?!.*c2hvcnQ).*backup/u);
  });
});
