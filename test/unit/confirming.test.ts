import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import type { Claimed } from '../../src/domain/fact.ts';
import { fail, ok, type Outcome } from '../../src/domain/outcome.ts';
import { confirm } from '../../src/loop/confirming.ts';
import type { Homeserver, HomeserverFailure } from '../../src/ports/homeserver.ts';

const reaction: Claimed = { type: 'room.reaction', eventId: as('$x'), sender: as('@b:y'), relatesTo: as('$result') };
const join: Claimed = { type: 'room.member', roomId: as('!r'), userId: as('@b:y'), membership: 'join', sender: as('@b:y'), eventId: as('$x') };
const away: Outcome<never, HomeserverFailure> = fail('unavailable', 'it can\'t be reached');
const outside: Outcome<never, HomeserverFailure> = fail('forbidden', 'the guardian is not in the room', { retry: true });
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe('What somebody of another server did', () => {
  const asked = async (said: Claimed, shows: Outcome<boolean, HomeserverFailure>, membership: Outcome<string | undefined, HomeserverFailure> = ok(undefined), waitedMs = MINUTE_MS): Promise<string> => {
    const homeserver: Pick<Homeserver, 'shows' | 'membership'> = { shows: async () => shows, membership: async () => membership };
    const outcome = await confirm(homeserver, { type: 'event.confirm', roomId: as('!r'), eventId: as('$x'), sender: as('@b:y'), said }, waitedMs);
    return outcome.ok ? outcome.value.shown : `${outcome.error.code}${outcome.error.retry ? ', asked again' : ''}`;
  };

  it('counts once it is shown, and never when it is shown to nobody', async () => {
    expect(await asked(reaction, ok(true))).to.equal('yes');
    expect(await asked(reaction, ok(false))).to.equal('no');
  });
  it('is asked for again for a moment, as one worker of a homeserver may be behind another', async () => {
    expect(await asked(reaction, ok(false), ok(undefined), 0)).to.equal('not-shown, asked again');
  });
  it('waits while the homeserver is away', async () => {
    expect(await asked(reaction, fail('unavailable', 'away', { retry: true }))).to.equal('unavailable, asked again');
    expect(await asked(join, ok(true), away)).to.equal('unavailable, asked again');
  });
  it('waits for a day where the guardian is out of the room, and counts for nothing then', async () => {
    for (const said of [reaction, join]) {
      expect(await asked(said, outside, ok(undefined), DAY_MS - 1)).to.equal('forbidden, asked again');
      expect(await asked(said, outside, ok(undefined), DAY_MS)).to.equal('unknown');
    }
    expect(await asked(join, outside, outside, DAY_MS)).to.equal('unknown');
    expect(await asked(reaction, away, ok(undefined), DAY_MS), 'a homeserver that is away comes back').to.equal('unavailable, asked again');
  });
  it('is no membership any more when it is another by now', async () => {
    expect(await asked(join, ok(false), ok('join'))).to.equal('yes');
    expect(await asked(join, ok(true), ok('leave'))).to.equal('overtaken');
    expect(await asked(join, ok(false), ok('leave'))).to.equal('no');
  });
});
