import type { Standby } from '../agreements/demands.ts';
import type { UserId } from '../brand.ts';
import type { RoomKind } from '../policy/words.ts';
import { serversOf, type Party } from '../people/party.ts';

/** A room template of `config/templates/`: what the guardian makes, and holds the room to. */
export type RoomTemplate = {
  readonly id: RoomKind;
  /** `12`, unless a partner can't join it. */
  readonly roomVersion: string;
  /** Fixed text: never a patient's, never a recipient's name. */
  readonly name: string;
  readonly topic: string;
  /** `local`: not federated at all. */
  readonly federation: 'agreed' | 'local';
  /** `permitted`: only those whom the policy lets send. */
  readonly senders: 'members' | 'permitted';
  readonly history: 'invited' | 'joined';
  /** Emoji that people may react with, where a policy server looks at it. */
  readonly reactions?: readonly string[];
  /** Whether people may take out their own messages, where a policy server looks at it. */
  readonly removals?: 'own' | 'never';
  readonly rotation: { readonly periodMs: number; readonly messages: number };
};

/** The template of each kind of room. */
export type RoomTemplates = ReadonlyMap<RoomKind, RoomTemplate>;

export function templateFor(templates: RoomTemplates, kind: RoomKind): RoomTemplate {
  const template = templates.get(kind);
  if (!template) throw new Error(`no template for rooms of the kind ${kind}`);
  return template;
}

export type RoomPlan = {
  readonly version: string;
  readonly federated: boolean;
  readonly name: string;
  readonly topic: string;
  readonly initialState: readonly { readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>> }[];
  readonly powerLevels: Readonly<Record<string, unknown>>;
};

export type RoomPeople = {
  readonly ownServer: string;
  readonly guardian: UserId;
  /** Aceso's policy server, where there is one: it is let into the rooms that leave the hospital. */
  readonly policyServer?: string;
  /** What is agreed with partners for when it is away: theirs stand by in the rooms that have their people. */
  readonly standbys?: readonly Standby[];
  /** Guardians and policy servers of partners by any agreement there ever was: in a room where one isn't to stand by, they are taken out. */
  readonly keepers?: readonly UserId[];
  /** Room version a partner's server can join at most, where it says so. */
  readonly partnerVersions: Readonly<Record<string, string>>;
};

/** The results room of a party. */
export const planRoom = (template: RoomTemplate, party: Party, people: RoomPeople): RoomPlan => planFor(template, { servers: serversOf(party), speakers: [] }, people);

/** Whose servers a room admits, and who may write in it where not everybody may. `made`: one that can leave the hospital keeps its access list when the last partner has gone, or the template has become local. */
export type RoomFor = { readonly servers: readonly string[]; readonly speakers: readonly UserId[]; readonly made?: 'federated' | 'local' };

/**
 * A room by its template. Encrypted from its first event; invite-only; only agreed servers; and the power levels leave members nothing to
 * send but messages, reactions and redactions. `m.room.message` must be among them: stock clients look at its level before they let people
 * write, though what they then send is ciphertext (docs/decisions/0004). What comes in clear all the same, the guardian takes out
 * (45 CFR 164.312(a)(1), (e)(1); Matrix client-server API §m.room.power_levels, §m.room.server_acl).
 */
export function planFor(template: RoomTemplate, { servers: theirs, speakers, made }: RoomFor, people: RoomPeople): RoomPlan {
  const servers = template.federation === 'local' ? [people.ownServer] : [...new Set([people.ownServer, ...theirs])].sort();
  const version = versionFor(template, servers, people);
  const isFederated = servers.length > 1 || made === 'federated';
  return {
    version,
    federated: isFederated,
    name: template.name,
    topic: template.topic,
    initialState: [
      state('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: template.rotation.periodMs, rotation_period_msgs: template.rotation.messages }),
      state('m.room.join_rules', { join_rule: 'invite' }),
      state('m.room.history_visibility', { history_visibility: template.history }),
      state('m.room.guest_access', { guest_access: 'forbidden' }),
      ...(isFederated ? [state('m.room.server_acl', { allow: admitted([...servers, ...policyServersIn(servers, people)].sort()), deny: [], allow_ip_literals: false })] : []),
      state('org.aceso.template', { id: template.id }),
    ],
    powerLevels: template.senders === 'members' ? powerLevels(version, people.guardian) : spokenLevels(version, people.guardian, speakers),
  };
}

/** Those that stand by in a room of these servers: where there is no policy server of one's own, none does. */
export const standingBy = (servers: readonly string[], { policyServer, standbys = [] }: Pick<RoomPeople, 'policyServer' | 'standbys'>): readonly Standby[] => (policyServer === undefined ? [] : standbys.filter(({ partner }) => servers.includes(partner)));

const policyServersIn = (servers: readonly string[], people: RoomPeople): readonly string[] => (people.policyServer === undefined ? [] : [people.policyServer, ...standingBy(servers, people).map(({ theirs }) => theirs.policyServer.serverName)]);

/** Of a room in which only some may write: they stand above the rest by just that. */
const SPEAKER = 10;

function spokenLevels(version: string, guardian: UserId, speakers: readonly UserId[]): RoomPlan['powerLevels'] {
  const levels = powerLevels(version, guardian);
  return {
    ...levels,
    users: { ...(levels['users'] as object), ...Object.fromEntries([...speakers].sort().map((user) => [user, SPEAKER])) },
    events: { ...(levels['events'] as object), 'm.room.encrypted': SPEAKER, 'm.room.message': SPEAKER },
  };
}

/**
 * Access lists match servers without their port (client-server API, `m.room.server_acl`); Synapse compares its own name with the port when it
 * checks that the list doesn't ban itself. So a name with a port stands there both ways; most have none.
 */
const admitted = (servers: readonly string[]): readonly string[] => [...new Set(servers.flatMap((server) => [server.replace(/:\d+$/u, ''), server]))];

const state = (type: string, content: Readonly<Record<string, unknown>>): RoomPlan['initialState'][number] => ({ type, stateKey: '', content });

function versionFor(template: RoomTemplate, servers: readonly string[], { partnerVersions }: RoomPeople): string {
  const limits = servers.map((server) => partnerVersions[server]).filter((limit) => limit !== undefined);
  return [template.roomVersion, ...limits].reduce((lowest, each) => (Number(each) < Number(lowest) ? each : lowest));
}

/** The levels of a room of ours. From room version 12 on a creator stands above all levels and must not be listed (MSC4289). */
export function powerLevels(version: string, guardian: UserId): RoomPlan['powerLevels'] {
  return {
    users: Number(version) >= 12 ? {} : { [guardian]: 100 },
    users_default: 0,
    events_default: 100,
    state_default: 100,
    invite: 100, kick: 100, ban: 100, redact: 100,
    notifications: { room: 100 },
    events: { 'm.room.encrypted': 0, 'm.room.message': 0, 'm.reaction': 0, 'm.room.redaction': 0, 'm.room.tombstone': Number(version) >= 12 ? 150 : 100 },
  };
}
