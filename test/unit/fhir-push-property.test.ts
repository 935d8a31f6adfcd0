import { expect } from 'chai';
import fc from 'fast-check';
import { parseJson } from '../../bridges/fhir-push/json.ts';
import { endpoint, fixture, fixtureText, issuesOf, theValidator } from '../fixtures/fhir/endpoint.ts';

const MARKER = 'PHI-CANARY-7f3a';
const FIXTURES = [['/', 'potassium-transaction'], ['/', 'bmp-transaction'], ['/', 'blood-culture-transaction'], ['/DiagnosticReport', 'potassium-report'], ['/Communication', 'communication'], ['/$process-message', 'potassium-message'], ['/Observation', 'blood-pressure']] as const;

/** Where something is in a JSON value. */
type Place = readonly (string | number)[];
const places = (value: unknown, at: Place = []): readonly Place[] =>
  typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([name, each]) => [[...at, Array.isArray(value) ? Number(name) : name], ...places(each, [...at, Array.isArray(value) ? Number(name) : name])]) : [];

type Change = { readonly kind: 'replace'; readonly value: unknown } | { readonly kind: 'remove' | 'rename' | 'wrap' | 'twice' };

const change = (root: Record<string, unknown>, place: Place, { kind, ...rest }: Change): void => {
  const name = place.at(-1);
  const parent = place.slice(0, -1).reduce<unknown>((value, step) => (typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[step] : undefined), root);
  if (name === undefined || typeof parent !== 'object' || parent === null) return;
  const holder = parent as Record<string | number, unknown>;
  const before = holder[name];
  if (kind === 'replace') holder[name] = 'value' in rest ? structuredClone(rest.value) : null;
  else if (kind === 'wrap') holder[name] = Array.isArray(before) ? (before[0] as unknown) : [before];
  else if (kind === 'twice') holder[name] = Array.isArray(before) ? [...(before as unknown[]), ...(before as unknown[])] : { [MARKER]: before };
  else {
    Reflect.deleteProperty(holder, name);
    if (kind === 'rename') holder[`${name}${MARKER}`] = before;
  }
};

const values = fc.oneof(
  fc.constantFrom(null, true, 0, -1, 1e308, '', ' ', MARKER, `#${MARKER}`, `urn:uuid:${MARKER}`, `Patient/${MARKER}`, 'banana', '\u0000', '<script>', [], {}, [[]], { reference: `#${MARKER}` }, { resourceType: MARKER }, { resourceType: 'Patient' }, { __proto__x: MARKER }),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary' }).map((text) => text + MARKER),
);
const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: values.map((value): Change => ({ kind: 'replace', value })) },
  { weight: 2, arbitrary: fc.constantFrom<Change>({ kind: 'remove' }, { kind: 'rename' }, { kind: 'wrap' }, { kind: 'twice' }) },
);

describe('fhir-push, whatever comes', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  it('answers 2xx or 4xx, never throws, and never repeats the input in a refusal', async function long() {
    this.timeout(60_000);
    const seen = new Map<number, number>();
    await fc.assert(fc.asyncProperty(fc.constantFrom(...FIXTURES), fc.array(fc.tuple(fc.nat(), changes), { minLength: 1, maxLength: 3 }), fc.boolean(), async ([path, name], all, asBatch) => {
      const root = fixture(name);
      if (asBatch && root['type'] === 'transaction') root['type'] = 'batch';
      for (const [pick, each] of all) {
        const found = places(root);
        const place = found[pick % found.length];
        if (place !== undefined) change(root, place, each);
      }
      const { send, events, arrivals } = await endpoint();
      const answer = await send({ path, body: JSON.stringify(root), headers: { prefer: 'return=OperationOutcome' } });
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      expect(answer.status).to.satisfy((status: number) => (status >= 200 && status < 300) || (status >= 400 && status < 500), `status ${answer.status}`);
      expect(events.map(({ status }) => status)).to.deep.equal([answer.status]);
      if (answer.status >= 400) {
        expect(answer.json['resourceType']).to.equal('OperationOutcome');
        expect(issuesOf(answer)).to.not.be.empty;
        expect(arrivals).to.be.empty;
      }
      if (path !== '/$process-message' || answer.status >= 400) expect(answer.body).to.not.contain(MARKER);
      for (const { resource } of arrivals) expect((await theValidator()).validate(JSON.parse(resource))).to.deep.equal([]);
    }), { numRuns: 400 });
    expect([...seen.keys()], 'both ways are met').to.include.members([200, 422]);
  });

  it('answers damaged bytes with 400 or takes what they still say', async () => {
    const bytes = Buffer.from(fixtureText('potassium-report'));
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.option(fc.nat(bytes.length)), async (damage, end) => {
      const body = Buffer.from(end === null ? bytes : bytes.subarray(0, end));
      for (const [at, byte] of damage) if (at < body.length) body[at] = byte;
      const { send } = await endpoint();
      expect((await send({ path: '/DiagnosticReport', body })).status).to.be.oneOf([201, 400, 422]);
    }), { numRuns: 200 });
  });

  it('reads JSON as JSON.parse does, but for duplicates and half surrogate pairs', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const parsed = parseJson(Buffer.from(JSON.stringify(value)));
      expect('plain' in parsed ? parsed.plain : parsed).to.deep.equal(JSON.parse(JSON.stringify(value)));
    }), { numRuns: 300 });
  });

  it('refuses what JSON.parse refuses', () => {
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => {
      const refused = 'fault' in parseJson(Buffer.from(text));
      let bad = false;
      try {
        JSON.parse(text);
      } catch {
        bad = true;
      }
      if (bad) expect(refused, text).to.equal(true);
    }), { numRuns: 500 });
  });
});
