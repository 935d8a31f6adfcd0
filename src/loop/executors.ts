import { as, type DeliveryId, type Millis, type RoomId, type SubjectId, type UserId } from '../domain/brand.ts';
import { isKeptBack, POLICY, type DeliveryState } from '../domain/delivery/delivery.ts';
import { relatedTo } from '../domain/encryptedEvent.ts';
import { noAgreement } from '../domain/agreements/agreed.ts';
import { fail, ok, type Outcome } from '../domain/outcome.ts';
import { serverOf } from '../domain/people/party.ts';
import { keyHolders, type RoomState } from '../domain/rooms/room.ts';
import type { Ours } from '../domain/rooms/standard.ts';
import { planFor, planRoom, templateFor, type RoomPeople, type RoomTemplate, type RoomTemplates } from '../domain/rooms/template.ts';
import type { PolicyIdentity } from '../domain/rooms/protection.ts';
import { UNPROTECTED } from '../domain/rooms/underPolicy.ts';
import { Sealed } from '../domain/sealed.ts';
import { blobId } from './blobs.ts';
import { confirm } from './confirming.ts';
import { follow } from './following.ts';
import { protect } from './protecting.ts';
import { close, governedRoom, loadRoom, repair } from './repairing.ts';
import { isGone, type Courier, type SendFailure, type Sent } from '../ports/courier.ts';
import type { Executors } from '../ports/executor.ts';
import type { Faults } from '../ports/faults.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { PolicyServer } from '../ports/policyServer.ts';
import type { SourceFiles } from '../ports/sourceFiles.ts';
import type { Store } from '../ports/store.ts';
import type { Metrics } from '../ports/telemetry.ts';

export type ExecutorParts = {
  readonly homeserver: Homeserver;
  /** The courier on a seat, when this worker holds it. */
  readonly couriers: { at(seat: number): Courier | undefined };
  readonly sourceFiles: SourceFiles;
  readonly store: Store; readonly keys: KeyRing; readonly metrics: Pick<Metrics, 'count'>; readonly now: () => Millis; readonly faults: Faults;
  /** As the configuration says now. */
  readonly template: () => RoomTemplate; readonly templates: () => RoomTemplates; readonly people: () => RoomPeople;
  /** The first of these servers without an agreement in force. */
  readonly strangerAmong: (servers: readonly string[]) => Promise<string | undefined>;
  /** The partner's policy server that judges in a room for now, as the database says. */
  readonly handedTo: (roomId: RoomId) => Promise<PolicyIdentity | undefined>;
  /** Whether an agreement in force has this hospital stand by in that partner's rooms, as the database says. */
  readonly standsBy: (partner: string) => Promise<boolean>;
  /** Absent where none is configured. */
  readonly policyServer?: PolicyServer;
  /** Beginning of every alias that Aceso makes, e.g. `aceso_`. */
  readonly aliasPrefix: string;
};

/** The effect needs a device that this worker doesn't hold (any more): whoever does will do it. */
export const NO_COURIER = 'no-courier';
const noCourier = (seat: number): Outcome<never> => fail(NO_COURIER, `the courier on seat ${seat} is not with this worker`, { retry: true });

/** Some of the recipients can't be reached: the others are told without them. */
const PASSING: ReadonlySet<string> = new Set(['no-device', 'server-away', 'identity-changed']);

/** ACT: one function per kind of effect. */
export function createExecutors(parts: ExecutorParts): Executors {
  const { homeserver, couriers, sourceFiles, store, keys, metrics, now, faults, template, templates, people, strangerAmong, handedTo, standsBy, policyServer, aliasPrefix } = parts;
  const ours = (): Ours => ({ templates: templates(), people: people(), courier: homeserver.courier, aliasPrefix, ...(policyServer === undefined ? {} : { policyUser: policyServer.userId, policy: policyServer }) });
  return {
    async 'room.create'({ id, body: { party } }) {
      const rooms = template();
      const plan = planRoom(rooms, party, people());
      const created = await homeserver.createRoom({ ...plan, aliasLocalpart: `${aliasPrefix}${rooms.id}_${keys.pseudonym('room', id)}` });
      if (!created.ok) return created;
      faults.at('room.created');
      const invited = await homeserver.invite(created.value, homeserver.courier);
      if (!invited.ok) return invited;
      const entered = await homeserver.joinAsCourier(created.value);
      if (!entered.ok) return entered;
      faults.at('room.entered');
      // Before anybody is invited who could say something.
      const guarded = policyServer === undefined ? ok(0) : await protect(homeserver, policyServer, rooms.id, created.value);
      if (!guarded.ok) return guarded;
      faults.at('room.protected');
      return ok({ type: 'room.create', roomId: created.value });
    },

    async 'room.open'({ id, body: { template: kind, servers, speakers, replaces, version } }) {
      const made = templateFor(templates(), kind);
      const plan = planFor({ ...made, roomVersion: version ?? made.roomVersion }, { servers, speakers }, people());
      const created = await homeserver.createRoom({ ...plan, ...(replaces === undefined ? {} : { predecessor: replaces }), aliasLocalpart: `${aliasPrefix}${kind}_${keys.pseudonym('room', id)}` });
      if (!created.ok) return created;
      faults.at('room.created');
      const guarded = policyServer === undefined ? ok(0) : await protect(homeserver, policyServer, kind, created.value);
      if (!guarded.ok) return guarded;
      faults.at('room.protected');
      return ok({ type: 'room.open', roomId: created.value });
    },

    async 'room.repair'({ body: { roomId, room } }) {
      const held = await repair(homeserver, roomId, () => loadRoom(store, room), ours());
      if (!held.ok) return held;
      // That somebody was to be invited is no fault of the room.
      for (const { rule } of held.value.findings) if (!(rule === 'standby' && held.value.repaired.includes(rule))) metrics.count('room_findings', { rule, outcome: held.value.repaired.includes(rule) ? 'repaired' : 'told' });
      return ok({ type: 'room.repair', roomId, ...held.value });
    },

    async 'room.close'({ body: { roomId, successor } }) {
      const closed = await close(homeserver, roomId, successor, () => governedRoom(store, roomId), ours(), faults);
      if (!closed.ok) return closed;
      return ok({ type: 'room.close', roomId });
    },

    async 'room.protect'({ body: { roomId, template: kind = 'results' } }) {
      const guarded = policyServer === undefined ? ok(0) : await protect(homeserver, policyServer, kind, roomId, await handedTo(roomId));
      return guarded.ok ? ok({ type: 'room.protect', roomId, steps: guarded.value }) : guarded;
    },

    async 'room.standBy'({ body: { roomId, partner } }) {
      if (policyServer === undefined) return fail('invalid', 'there is no policy server to stand by any more');
      if (!await standsBy(partner)) return fail('no-agreement', `no agreement in force with ${partner} says any more that this hospital stands by`);
      const entered = await homeserver.joinAsGuardian(roomId);
      const joined = entered.ok ? await policyServer.join(roomId) : entered;
      if (joined.ok) return ok({ type: 'room.standBy', roomId });
      // An invitation is answered before it is in the room.
      return joined.error.code === 'forbidden' || joined.error.code === 'not-found' ? fail('not-let-in', joined.error.message, { retry: true }) : joined;
    },

    async 'room.invite'({ body: { roomId, userId } }) {
      const stranger = await strangerAmong([serverOf(userId)]);
      if (stranger !== undefined) return fail(noAgreement(stranger).code, noAgreement(stranger).message, { retry: true });
      const room = await governedRoom(store, roomId);
      if (room && room.state.roomId !== roomId) return fail('replaced', 'the room was replaced meanwhile: they are invited to its successor');
      const invited = await homeserver.invite(roomId, userId);
      if (!invited.ok) return invited;
      faults.at('room.invited');
      return ok({ type: 'room.invite', userId });
    },

    async 'member.remove'({ body: { roomId, userId, reason } }) {
      const removed = await homeserver.remove(roomId, userId, reason);
      if (!removed.ok) return removed;
      faults.at('member.removed');
      return ok({ type: 'member.remove', userId });
    },

    'room.follow': ({ body }) => follow(homeserver, policyServer, template(), people(), body),

    async 'room.send'({ id, createdAt, seat = 0, body }) {
      const courier = couriers.at(seat);
      if (!courier) return noCourier(seat);
      const room = (await store.load({ kind: 'room', id: body.party }))?.state as RoomState | undefined;
      if (room?.unprotected) return fail(UNPROTECTED, room.unprotected.message, { retry: true });
      const members = room?.roomId === body.roomId ? keyHolders(room) : [];
      const recipients = body.recipients.filter((userId) => members.includes(userId));
      if (recipients.length === 0) return fail('no-member', 'none of the recipients is in the results room: they were invited and left or declined', { retry: true });
      // It may have ended since this was decided.
      const stranger = await strangerAmong(members.map(serverOf));
      if (stranger !== undefined) return fail(noAgreement(stranger).code, noAgreement(stranger).message, { retry: true });
      // What the homeserver told of its members counts before the keys go out, whichever effect's turn came first.
      for (const { userId, membership } of room?.untold ?? []) await courier.memberChanged(body.roomId, userId, membership);
      const file = body.blob === undefined ? undefined : await store.blob(body.blob);
      if (body.blob !== undefined && file === undefined) return fail('unreadable', 'the attachment is not in the database or can\'t be opened: restore the database with its keys.json', { retry: true });
      const send = async (responsible: readonly UserId[]): Promise<Outcome<Sent, SendFailure | typeof POLICY>> => {
        // At the last instant: a consent may have been taken back since this was decided, and since it was looked into.
        if (await isStopped(store, body.byConsent)) return fail(POLICY, 'the rules keep it back by now');
        return courier.send({ id, createdAt, mark: keys.pseudonym('txn', id), roomId: body.roomId, members, recipients: responsible, type: 'm.room.message', content: body.content, rotation: template().rotation, ...(file === undefined ? {} : { file }) });
      };
      const sent = await send(recipients);
      if (sent.ok) return ok({ type: 'room.send', ...sent.value });
      if (isGone(courier.status())) return noCourier(seat);
      if (!PASSING.has(sent.error.code)) return sent;
      // A team is told as soon as one of its members can read it; who can't is named.
      const able = await readersOf(courier, recipients);
      const sentToSome = able.length > 0 && able.length < recipients.length ? await send(able) : sent;
      if (sentToSome.ok) return ok({ type: 'room.send', ...sentToSome.value, unreached: recipients.filter((userId) => !able.includes(userId)) });
      // What it lacks may come at any time, and the courier tells when it does.
      return PASSING.has(sentToSome.error.code) ? { ok: false, error: { ...sentToSome.error, retry: true } } : sentToSome;
    },

    async 'courier.member'({ seat = 0, body: { roomId, userId, membership } }) {
      const courier = couriers.at(seat);
      if (!courier) return noCourier(seat);
      await courier.memberChanged(roomId, userId, membership);
      // A device that was stopped meanwhile may not have taken it.
      return isGone(courier.status()) ? noCourier(seat) : ok({ type: 'courier.member', userId });
    },

    async 'courier.accept'({ seat = 0, body: { userId } }) {
      const courier = couriers.at(seat);
      if (!courier) return noCourier(seat);
      const accepted = await courier.acceptIdentity(userId);
      return accepted.ok ? ok({ type: 'courier.accept', userId }) : accepted;
    },

    async 'room.redact'({ id, body: { roomId, eventId, reason } }) {
      const redacted = await homeserver.redact(roomId, eventId, id, reason);
      return redacted.ok ? ok({ type: 'room.redact', eventId }) : redacted;
    },

    async 'file.fetch'({ body: { source, file } }) {
      const fetched = await sourceFiles.fetch(source, file.reveal());
      metrics.count('attachments', !fetched.ok ? { outcome: fetched.error.code, kind: '' } : 'refused' in fetched.value ? { outcome: fetched.value.refused, kind: '' } : { outcome: 'fetched', kind: fetched.value.facts.type });
      if (!fetched.ok) return fetched;
      if ('refused' in fetched.value) return ok({ type: 'file.fetch', refused: fetched.value.refused });
      const { key, bytes, facts } = fetched.value;
      const blob = blobId(keys, file.subject, key);
      await store.keep({ id: blob, content: Sealed.of(file.subject, bytes) }, now());
      faults.at('file.kept');
      return ok({ type: 'file.fetch', blob, facts: Sealed.of(file.subject, facts) });
    },

    async 'event.confirm'({ createdAt, body }) {
      const confirmed = await confirm(homeserver, body, now() - createdAt);
      if (confirmed.ok) faults.at('event.confirmed');
      if (confirmed.ok && (confirmed.value.shown === 'no' || confirmed.value.shown === 'unknown')) metrics.count('events_not_shown', { type: body.said.type });
      return confirmed;
    },

    async 'event.decrypt'({ seat = 0, body: { roomId, event } }) {
      const courier = couriers.at(seat);
      if (!courier) return noCourier(seat);
      const decrypted = await courier.decrypt(roomId, event);
      if (!decrypted.ok) return decrypted;
      const { type: eventType, content, sender, signedByOwner } = decrypted.value;
      const relatesTo = [...new Set([...relatedTo(content), ...relatedTo(event.content)])];
      // An answer may name the patient; whose, only the delivery knows: until then its own event names the key.
      const subject = as<SubjectId>(keys.pseudonym('reply', event.event_id));
      return ok({ type: 'event.decrypt', eventId: event.event_id, eventType, sender, signedByOwner, relatesTo, content: Sealed.of(subject, content) });
    },
  };
}

/** Whether the rules keep a delivery back; one that can't be found, too. */
async function isStopped(store: Pick<Store, 'load'>, delivery: DeliveryId | undefined): Promise<boolean> {
  if (delivery === undefined) return false;
  const found = await store.load({ kind: 'delivery', id: delivery });
  return found === undefined || isKeptBack(found.state as DeliveryState);
}

/** Those of them who have a device that may get keys, as far as their servers say. */
async function readersOf(courier: Courier, userIds: readonly UserId[]): Promise<readonly UserId[]> {
  const devices = await Promise.all(userIds.map((userId) => courier.devices(userId)));
  return userIds.filter((_, index) => devices[index]?.ok && devices[index].value.entitled > 0);
}
