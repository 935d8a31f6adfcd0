import { expect } from 'chai';
import { HomeserverError } from '../../src/adapters/crypto/homeserver.ts';
import { sendFailure } from '../../src/adapters/crypto/sending.ts';

describe('A message that the homeserver doesn\'t take', () => {
  for (const [what, error, code, retry] of [
    ['because it limits the courier: tried again when it says', new HomeserverError(429, 'M_LIMIT_EXCEEDED', 'p', 2000), 'limited', true],
    ['because the policy server could not check it in time: tried again', new HomeserverError(403, 'M_LIMIT_EXCEEDED', 'p', 2000), 'unavailable', true],
    ['because the policy server is away: tried again', new HomeserverError(500, 'M_UNKNOWN', 'p'), 'unavailable', true],
  ] as const) it(what, () => { const failed = sendFailure(error); expect(failed && !failed.ok && [failed.error.code, failed.error.retry]).to.deep.equal([code, retry]); });
});
