import { expect } from 'chai';
import { addressUnder } from '../../src/domain/clinical/remoteFile.ts';

const BASE = 'https://lis.mercy.example:8443/r4';

describe('An address at a source\'s own server', () => {
  for (const [reference, address] of [
    ['Binary/1', `${BASE}/Binary/1`], [`${BASE}/Binary/1`, `${BASE}/Binary/1`], ['Binary/1/_history/2', `${BASE}/Binary/1/_history/2`], [`${BASE}/Binary/1#page=2`, `${BASE}/Binary/1`],
    ['HTTPS://LIS.mercy.example:8443/r4/Binary/1', `${BASE}/Binary/1`], [`${BASE}/x/../Binary/1`, `${BASE}/Binary/1`], ['Binary/1?_format=pdf', `${BASE}/Binary/1?_format=pdf`],
  ] as const) it(`is ${reference}`, () => expect(addressUnder(BASE, reference)).to.equal(address));

  for (const reference of [
    'http://lis.mercy.example:8443/r4/Binary/1', 'https://lis.mercy.example/r4/Binary/1', 'https://lis.mercy.example:8444/r4/Binary/1', 'https://evil.example:8443/r4/Binary/1', 'https://lis.mercy.example.evil.example:8443/r4/Binary/1',
    'https://user@lis.mercy.example:8443/r4/Binary/1', 'https://lis.mercy.example:8443@evil.example/r4/Binary/1', '//evil.example/r4/Binary/1', '\\\\evil.example\\r4\\Binary\\1',
    'https://lis.mercy.example:8443/r4', 'https://lis.mercy.example:8443/r4/', 'https://lis.mercy.example:8443/r4x/Binary/1', '/Binary/1', '../admin', `${BASE}/../admin`, `${BASE}/Binary/%2e%2e/%2e%2e/admin`, `${BASE}/Binary/..%2f..%2fadmin`,
    `${BASE}/Binary/..%5c..%5cadmin`, `${BASE}//evil.example`, 'urn:uuid:6f1c1a5e-0001-4000-8000-000000000001', 'file:///etc/passwd', 'data:text/plain,x', 'mxc://mercy.example/x', 'https://[', '',
  ]) it(`is not ${reference === '' ? 'nothing' : reference}`, () => expect(addressUnder(BASE, reference)).to.equal(undefined));

  it('goes by the server on which the resource lives when it is relative', () => {
    expect(addressUnder(BASE, 'Binary/1', 'https://elsewhere.example/r4/')).to.equal(undefined);
    expect(addressUnder(`${BASE}/`, 'Binary/1', `${BASE}/`)).to.equal(`${BASE}/Binary/1`);
  });
});
