import { expect } from 'chai';
import { fuzz, type Target } from '../fuzz/fuzz.ts';
import { sharedHospitals } from '../support/lab.ts';

/** A few hundred a door; `npm run fuzz` does ten thousand. The seed is fixed: what fails here fails again. */
describe('Mutated input', function () {
  this.timeout(180_000);
  for (const [target, inputs] of [['rows', 300], ['sync', 200], ['fhir', 200], ['appservice', 200]] as const satisfies readonly (readonly [Target, number])[]) {
    it(`at ${target}: nothing crashes, every refusal has its protocol's form, and what is whole goes its way`, async () => {
      const [report] = await fuzz(await sharedHospitals(), [target], { inputs, seed: 20_261_125, say: () => undefined });
      expect(report?.failures).to.deep.equal([]);
      expect(report?.inputs).to.be.at.least(inputs * 0.9);
    });
  }
});
