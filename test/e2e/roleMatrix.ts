/** Part of the tests of the module (synapseModule.test.ts), on their servers: the role matrix of docs/policy-matrix.md, done for real. */
import { expect } from 'chai';
import { ROOM_KINDS, type Action, type RoomKind } from '../../src/domain/policy/words.ts';
import { listDeliveries } from '../../src/main/deliveries.ts';
import { listPeople } from '../../src/main/people.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { matrixOf, type JudgedCell } from '../../src/main/policy/matrix.ts';
import { listRooms } from '../../src/main/rooms/rooms.ts';
import { newAceso, type Aceso, type DeliveryView } from '../support/aceso.ts';
import type { Hospital, Hospitals, Session, Slot } from '../support/lab.ts';
import { matrixAnswer, type MatrixAnswer } from '../support/matrixHttp.ts';
import { encryptedContent } from '../support/megolm.ts';
import { policyServerFor } from '../support/policyServer.ts';
import { tell } from '../support/results.ts';
import { until } from '../support/until.ts';

/** `aceso`: stopped. Another of the same folder goes on where it was, with its courier's identity. */
export type MatrixPlace = { readonly hospitals: Hospitals; readonly slot: Slot; readonly moduleTokenFile: string; readonly aceso: Pick<Aceso, 'folder' | 'token'> };

const PASSWORD = 'password-of-matrix';
/** The guardian and the courier have rows too: they are in each of these rooms, or in none. */
const ROLES = ['physician', 'nurse', 'laboratory', 'pharmacist', 'unit-clerk', 'billing', 'it-administrator', 'privacy-officer', 'partner-clinician', 'recipient'] as const;
type Role = (typeof ROLES)[number];
const TALK = ROOM_KINDS.filter((kind) => kind !== 'results');
const CELLS = matrixOf(policyOf(BUILT_IN));

type Asked = { readonly key: string; readonly refused: readonly { readonly userId: string; readonly rules: readonly string[]; readonly message: string }[] };

export function describeRoleMatrix(place: () => Promise<MatrixPlace>): void {
  describe('with a policy server, and somebody of each role: the role matrix of the default rules', () => {
    let aceso: Aceso;
    const people = new Map<Role, Session>();
    const rooms = new Map<RoomKind, string>();
    const asked = new Map<RoomKind, Asked>();

    const who = (role: Role): Session => people.get(role) ?? expect.fail(`nobody is ${role}`);
    const npiOf = (role: Role): string => String(1_000_000_200 + ROLES.indexOf(role));
    const cell = (action: Action, role: string, kind: RoomKind): JudgedCell['verdict'] => CELLS.find((each) => each.action === action && each.role === role && each.kind === kind)?.verdict ?? expect.fail('no such cell');
    /** A condition that doesn't come says where Aceso is. */
    const comes = <T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> => until(what, probe, 60_000, 300).catch((cause: unknown) => { throw new Error(`${what}: not seen. The log ends:\n${aceso.log().slice(-4000)}`, { cause }); });
    const call = (role: Role, path: string, body: unknown, method?: 'PUT'): Promise<MatrixAnswer> => matrixAnswer(who(role).baseUrl, `/_matrix/client/v3${path}`, { token: who(role).accessToken, body, ...(method === undefined ? {} : { method }) });
    const join = (role: Role, kind: RoomKind): Promise<MatrixAnswer> => call(role, `/join/${encodeURIComponent(rooms.get(kind) ?? '')}`, {});
    /** What the matrix says of each, beside what came of it. */
    const table = (action: Action, kinds: readonly RoomKind[], outcome: (role: Role, kind: RoomKind) => string): readonly string[] => kinds.flatMap((kind) => ROLES.map((role) => `${role} ${action} ${kind}: ${outcome(role, kind)}`));
    const planned = (action: Action, kinds: readonly RoomKind[]): readonly string[] => table(action, kinds, (role, kind) => (cell(action, role, kind).allowed ? 'yes' : 'no'));

    before(async () => {
      const { hospitals, slot, moduleTokenFile, aceso: { folder, token } } = await place();
      const { mercy, stAnne } = hospitals;
      const at = (role: Role): Hospital => (role === 'partner-clinician' ? stAnne : mercy);
      await Promise.all(ROLES.map(async (role) => {
        await at(role).register(`matrix-${role}`, PASSWORD);
        people.set(role, await at(role).login(`matrix-${role}`, PASSWORD));
      }));
      aceso = await newAceso({
        mercy, slot, moduleTokenFile, folder, token, policyServer: await policyServerFor(hospitals), partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }],
        people: ROLES.map((role) => ({ id: `matrix-${role}`, name: role, user_id: who(role).userId, npi: npiOf(role), ...(role === 'recipient' ? {} : { roles: [role] }) })),
      });
      await aceso.start();
    });
    after(() => aceso.stop());

    it('join: a room of each kind is made for all of them, and has in it whom the matrix lets in; the others are refused in the rule\'s words', async () => {
      const members = ROLES.flatMap((role) => ['--member', who(role).userId]);
      for (const kind of TALK) asked.set(kind, await aceso.cli('rooms', 'create', kind, '--key', `matrix-${kind}`, ...members, ...(kind === 'patient' ? ['--in-care'] : [])));
      const made = await comes('the rooms', async () => {
        const list = await aceso.show<readonly { readonly template: RoomKind; readonly roomId?: string; readonly people: number }[]>(listRooms);
        return TALK.every((kind) => list.some(({ template, roomId, people: invited }) => template === kind && roomId !== undefined && invited > 0)) && list;
      });
      for (const { template, roomId } of made) rooms.set(template, roomId ?? '');
      const outcomes = new Map<string, string>();
      await Promise.all(TALK.map(async (kind) => {
        for (const role of ROLES) {
          const refusal = asked.get(kind)?.refused.find(({ userId }) => userId === who(role).userId);
          if (refusal === undefined) await until(`${role} to be in ${kind}`, async () => (await join(role, kind)).status === 200, 60_000, 200);
          else expect((await join(role, kind)).status, `${role} enters ${kind} all the same`).to.be.within(403, 404);
          outcomes.set(`${role} ${kind}`, refusal === undefined ? 'yes' : 'no');
          if (refusal === undefined) continue;
          expect(refusal.message, `${role} ${kind}`).to.match(/\w/u);
          if (role !== 'partner-clinician') expect(refusal, `${role} ${kind}`).to.deep.include({ rules: cell('join', role, kind).rules, message: cell('join', role, kind).message });
        }
      }));
      expect(table('join', TALK, (role, kind) => outcomes.get(`${role} ${kind}`) ?? '')).to.deep.equal(planned('join', TALK));
    });

    it('join: a results room is made for whom the matrix lets have one; what is for the others is held, with the rule', async () => {
      for (const role of ROLES) await tell(aceso, `M-${role}`, npiOf(role));
      const isAsExpected = async (): Promise<readonly string[] | undefined> => {
        const [list, deliveries] = [await aceso.show<readonly { readonly id: string; readonly room?: { readonly members: Readonly<Record<string, string>> } }[]>(listPeople), await aceso.show<readonly DeliveryView[]>((store) => listDeliveries(store, 50))];
        const outcome = (role: Role): string => {
          const held = deliveries.find(({ party }) => party === `matrix-${role}`)?.held;
          if (held?.code.endsWith('policy') === true) return cell('join', role, 'results').rules.every((rule) => held.reason.includes(rule)) ? 'no' : held.reason;
          return list.find(({ id }) => id === `matrix-${role}`)?.room?.members[who(role).userId] === 'invited' ? 'yes' : 'not yet';
        };
        const all = table('join', ['results'], outcome);
        return all.some((each) => each.endsWith('not yet')) ? undefined : all;
      };
      expect(await comes('each to be invited or held', isAsExpected)).to.deep.equal(planned('join', ['results']));
    });

    it('send: who may write in a room does, encrypted, and nobody else', async () => {
      const outcomes = new Map<string, string>();
      await Promise.all(TALK.map(async (kind) => {
        for (const role of ROLES) {
          const { status } = await call(role, `/rooms/${encodeURIComponent(rooms.get(kind) ?? '')}/send/m.room.encrypted/matrix`, encryptedContent(), 'PUT');
          outcomes.set(`${role} ${kind}`, status === 200 ? 'yes' : status === 403 ? 'no' : String(status));
        }
      }));
      expect(table('send', TALK, (role, kind) => outcomes.get(`${role} ${kind}`) ?? '')).to.deep.equal(planned('send', TALK));
    });

    it('create: a direct message is made by whom the matrix lets make one; the others, and all who want a room of another kind, are told what to do', async () => {
      const local = ROLES.filter((role) => role !== 'partner-clinician');
      for (const role of local) {
        const other = who(role === 'physician' ? 'nurse' : 'physician').userId;
        const { status, body } = await call(role, '/createRoom', { preset: 'trusted_private_chat', is_direct: true, invite: [other] });
        const { allowed, rules, message } = cell('create', role, 'direct');
        expect([role, status, body['org.aceso.rule'], body['error']]).to.deep.equal(allowed ? [role, 200, undefined, undefined] : [role, 403, rules.join(' '), message]);
        expect((await call(role, '/createRoom', { preset: 'private_chat', invite: [other] })).body['org.aceso.rule'], role).to.equal('room-by-command');
      }
    });

    it('invite: nobody does it by themselves, whatever the matrix allows them to ask for: the guardian invites', async () => {
      for (const kind of ['consult', 'shift'] as const) for (const role of ROLES) expect((await call(role, `/rooms/${encodeURIComponent(rooms.get(kind) ?? '')}/invite`, { user_id: who('billing').userId })).status, `${role} ${kind}`).to.equal(403);
    });
  });
}
