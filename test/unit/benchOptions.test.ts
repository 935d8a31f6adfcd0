import { expect } from 'chai';
import { readOptions } from '../../bench/options.ts';

describe('npm run bench', () => {
  it('takes parts as words or after --only, and all of them when none is named', () => {
    expect(readOptions(['policy'])?.parts).to.deep.equal(['policy']);
    expect(readOptions(['--only', 'a, policy'])?.parts).to.deep.equal(['a', 'policy']);
    expect(readOptions([])?.parts).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'policy']);
  });

  it('says which parts there are when one is named that isn\'t', () => {
    expect(() => readOptions(['polici'])).to.throw('polici: the parts are a, b, c, d, e, policy');
  });

  it('holds 500 questions a second when no other rate is given, and soaks with 50 results', () => {
    expect(readOptions(['policy', '--hold', '600'])?.hold).to.deep.equal({ seconds: 600, rate: 500 });
    expect(readOptions(['policy', '--hold', '600', '--rate', '20'])?.hold).to.deep.equal({ seconds: 600, rate: 20 });
    expect(readOptions(['--soak', '60'])?.soak).to.deep.equal({ seconds: 60, rate: 50 });
  });
});
