import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalFields, canonicalJson, hasFewValues, joined, NotCanonical } from '../../../src/adapters/federation/canonicalJson.ts';
import { isSignedBy, publicKeyOf, signerOf } from '../../../src/adapters/federation/ed25519.ts';
import { contentHash, eventIdOf, isHashRight, signableBytes, signableOf, signedEvent, type RoomVersion } from '../../../src/adapters/federation/event.ts';
import { signedBytes, type JsonObject } from '../../../src/adapters/federation/signedJson.ts';

type Case = { readonly version: RoomVersion; readonly name: string; readonly event: JsonObject & { readonly signatures: { readonly domain: Readonly<Record<string, string>> } }; readonly eventId: string; readonly policy: string };
const { seed, cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/federation/events.json'), 'utf8')) as { readonly seed: string; readonly cases: readonly Case[] };
const signer = signerOf(Buffer.from(seed, 'base64'));

/** Matrix specification, appendices §"Canonical JSON", examples. */
const CANONICAL = [
  ['{}', '{}'],
  ['{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'],
  ['{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'],
  ['{ "auth": { "success": true, "mxid": "@john.doe:example.com", "profile": { "display_name": "John Doe", "three_pids": [{ "medium": "email", "address": "john.doe@example.org" }] } } }', '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"}]},"success":true}}'],
  ['{ "a": "日本語" }', '{"a":"日本語"}'],
  ['{ "本": 2, "日": 1 }', '{"日":1,"本":2}'],
  ['{ "a": "\\u65E5" }', '{"a":"日"}'],
  ['{ "a": null }', '{"a":null}'],
  ['{ "a": -0, "b": 1e10 }', '{"a":0,"b":10000000000}'],
  // Code points, not UTF-16 units: U+1F600 comes after U+E000.
  ['{ "\\ud83d\\ude00": 1, "\\ue000": 2 }', '{"\ue000":2,"\u{1f600}":1}'],
] as const;

describe('Canonical JSON', () => {
  for (const [text, expected] of CANONICAL) it(`of ${text} is the specification's`, () => {
    expect(canonicalJson(JSON.parse(text))).to.equal(expected);
    expect(joined(canonicalFields(JSON.parse(text) as JsonObject))).to.equal(expected);
  });
  for (const [what, value] of [['a fraction', 1.5], ['an integer of more than 53 bits', 2 ** 53], ['not JSON', undefined]] as const) it(`is refused to ${what}`, () => expect(() => canonicalJson({ a: value })).to.throw(NotCanonical));
  it('is refused to what has more values than any transaction, long before they are all written', () => {
    for (const many of [Array.from({ length: 50_000 }, () => 1), Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, 1]))]) expect(() => canonicalJson({ a: many })).to.throw(NotCanonical, 'more than 50000 values');
    expect(canonicalJson({ a: Array.from({ length: 49_000 }, () => 1) }).length).to.be.greaterThan(49_000);
  });
  for (const [what, text, few] of [
    ['many names', `{${'"a":1,'.repeat(60_000)}"b":1}`, false], ['many objects', `[${'{},'.repeat(60_000)}{}]`, false], ['depth', '['.repeat(60_000), false],
    ['a long text with commas and quotes', JSON.stringify({ a: '",\\{['.repeat(60_000) }), true], ['a common event', '{"a":{"b":[1,2]}}', true],
  ] as const) it(`of ${what} is seen to have ${few ? 'few' : 'too many'} values before it is parsed`, () => expect(hasFewValues(Buffer.from(text))).to.equal(few));
  it('is refused to what is nested without end, instead of ending the process', () => {
    expect(() => canonicalJson(JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`))).to.throw(NotCanonical);
  });
});

describe('A signature', () => {
  /** Matrix specification, appendices §"Cryptographic Test Vectors". */
  for (const [json, signature] of [
    [{}, 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'],
    [{ one: 1, two: 'Two' }, 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw'],
  ] as const) it(`of ${JSON.stringify(json)} is the specification's`, () => expect(signer.sign(signedBytes(json))).to.equal(signature));

  it('is refused when it is none, or has another length', () => {
    const key = publicKeyOf(signer.publicKey);
    if (!key) throw new Error('no key');
    for (const nothing of [undefined, '', 'AAAA', '***', 5]) expect(isSignedBy(key, Buffer.from('{}'), nothing)).to.equal(false);
  });
});

describe('An event', () => {
  for (const { version, name, event, eventId, policy } of cases) {
    it(`in room version ${version} (${name}) has the hash, id and signatures that Synapse gives it`, () => {
      const signable = signableBytes(version, event);
      expect(isHashRight(event, contentHash(canonicalFields(event)))).to.equal(true);
      expect(signableOf(version, { event, fields: canonicalFields({ ...event, unsigned: { age: 1 }, age_ts: 2 }) }).toString()).to.equal(signable.toString());
      expect(eventIdOf(signable)).to.equal(eventId);
      expect(signer.sign(signable)).to.equal(event.signatures.domain['ed25519:1']);
      expect(signer.sign(signable)).to.equal(policy);
      const { hashes: _, signatures: __, unsigned: ___, ...bare } = event as JsonObject;
      expect(signedEvent(version, bare, 'domain', 'ed25519:1', signer)['signatures']).to.deep.equal(event.signatures);
    });
  }

  it('has a hash of 43 characters, padded or not; anything else is none, and costs nothing', () => {
    const { event } = cases[0] ?? {};
    if (!event) throw new Error('no case');
    const sha256 = contentHash(canonicalFields(event));
    for (const [said, is] of [[sha256, true], [`${sha256}=`, true], [`${sha256}==`, false], [` ${sha256}`, false], [`${'='.repeat(200_000)}x`, false]] as const) {
      const began = performance.now();
      expect(isHashRight({ ...event, hashes: { sha256: said } }, sha256), said.slice(0, 50)).to.equal(is);
      expect(performance.now() - began).to.be.lessThan(1000);
    }
  });

  it('has another hash when a word of it was changed', () => {
    const { event } = cases[0] ?? {};
    if (!event) throw new Error('no case');
    expect(isHashRight(event, contentHash(canonicalFields({ ...event, content: { body: 'changed' } })))).to.equal(false);
  });
});
