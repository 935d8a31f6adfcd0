import { expect } from 'chai';
import { as, type UserId } from '../../../src/domain/brand.ts';
import { refuse, type Pdu } from '../../../src/domain/policy/admit.ts';
import { isLeftOver } from '../../../src/domain/policy/leftOver.ts';

const eve = as<UserId>('@eve:eastside.example');
const pdu = (change: Partial<Pdu>): Pdu => ({ type: 'm.room.message', sender: eve, origin_server_ts: 1, content: { body: 'K 6.8' }, ...change });

describe('What was refused, and is shown in part all the same', () => {
  for (const [what, given] of [
    ['a removal with a reason', [pdu({ type: 'm.room.redaction' }), refuse('reason')]],
    ['a message in clear in a thread', [pdu({ content: { body: 'K 6.8', 'm.relates_to': { rel_type: 'm.thread', event_id: '$e' } } }), refuse('clear-text')]],
    ['one\'s own profile with text', [pdu({ type: 'm.room.member', state_key: eve, content: { membership: 'join', note: 'K 6.8' } }), refuse('profile-text')]],
    ['a reason for one\'s own membership', [pdu({ type: 'm.room.member', state_key: eve, content: { membership: 'join', reason: 'K 6.8' } }), refuse('reason')]],
  ] as const) {
    it(`is taken out: ${what}, when another server asks about it`, () => {
      const [event, verdict] = given;
      expect(isLeftOver(verdict, event, 'mercy.example')).to.equal(true);
      expect(isLeftOver(verdict, event, 'eastside.example'), 'its own server asks before it sends it').to.equal(false);
    });
  }

  for (const [what, event, verdict] of [
    ['clear text that relates to nothing: it is hidden', pdu({}), refuse('clear-text')],
    ['a removal of another\'s message, which says nothing', pdu({ type: 'm.room.redaction', content: {} }), refuse('redaction-of-others')],
    ['what couldn\'t be checked in time: it may be good', pdu({ type: 'm.room.redaction' }), refuse('too-slow')],
    ['another\'s membership: levels of power forbid it', pdu({ type: 'm.room.member', state_key: '@bob:mercy.example', content: { membership: 'ban', reason: 'K 6.8' } }), refuse('state-guardian-only')],
    ['what passes', pdu({ content: { 'm.relates_to': {} } }), { ...refuse('clear-text'), allowed: true }],
  ] as const) it(`is left: ${what}`, () => expect(isLeftOver(verdict, event, 'mercy.example')).to.equal(false));
});
