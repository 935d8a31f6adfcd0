import { randomUUID } from 'node:crypto';
import type { LoadedConfig } from '../../config/load.ts';
import { as, type ServerName } from '../../domain/brand.ts';
import { admission, lookupsOfPeople } from '../../domain/governed/admission.ts';
import { serverOf } from '../../domain/people/party.ts';
import { planFor, templateFor } from '../../domain/rooms/template.ts';
import type { Store } from '../../ports/store.ts';
import { settingsOf, templatesOf } from '../compose.ts';
import { folderOf, policyOf } from '../policy/folder.ts';
import type { Printed } from '../print.ts';
import { peopleOf } from './ours.ts';
import { homeserverOf, roomNamed } from './rooms.ts';

export type UpgradeOptions = { readonly to?: string; readonly mode: 'do' | 'dry-run'; readonly by: string };

const VERSIONS = ['10', '11', '12'];

/** Asks the running server to put another room in the place of one in which people talk, or says what that would be. */
export async function upgradeRoom(store: Store, config: LoadedConfig, name: string, { to, mode, by }: UpgradeOptions): Promise<Printed> {
  const room = await roomNamed(store, name);
  if (room.kind === 'room') throw new Error(`${name} is a results room: upgrade it at the homeserver as the guardian, and results follow.`);
  const { state } = room;
  const { key, template: kind, people, inCare, patient, roomId } = state;
  if (roomId === undefined) throw new Error(`${key} is not made yet: see \`aceso rooms show ${key}\`.`);
  if (to !== undefined && !VERSIONS.includes(to)) throw new Error(`--to ${to}: Aceso makes rooms of the versions ${VERSIONS.join(', ')}.`);
  const homeserver = homeserverOf(config);
  const now = await homeserver.state(roomId);
  if (!now.ok) throw new Error(`${key} can't be read: ${now.error.message}`);
  const { room_version: made = '1' } = now.value.find(({ type }) => type === 'm.room.create')?.content ?? {};

  const templates = templatesOf(config);
  const { admitted, refused, speakers } = admission({ key, template: kind, people, inCare, patient }, { judge: policyOf(folderOf(config)).judge, found: await store.lookup(lookupsOfPeople(people, patient)), settings: { ...settingsOf(config), templates }, now: as(Date.now()) });
  const servers: readonly ServerName[] = [...new Set(admitted.map(serverOf))];
  const template = templateFor(templates, kind);
  const { version } = planFor({ ...template, roomVersion: to ?? template.roomVersion }, { servers, speakers }, peopleOf(config, homeserver.guardian, [], []));
  const about = { key, template: kind, from: roomId, fromVersion: made, version, invited: admitted, refused };
  if (version === made) return { json: { ...about, mode: 'none' }, text: `${key} is of version ${version} already${to === undefined || to === version ? '' : `, the newest that the servers of its people can join`}. Nothing is to be done.` };
  const refusals = refused.map(({ userId, message, rules }) => `  ${userId} would not be let in: ${message} [${rules.join(' ')}]`);
  if (admitted.length === 0) throw new Error([`The policy lets nobody of ${key}'s people in, so it is not replaced:`, ...refusals].join('\n'));
  if (mode === 'do') await store.receive([{ source: 'operator', key: randomUUID(), aggregate: { kind: 'governed', id: key }, at: as(Date.now()), body: { type: 'operator.upgrade', by, to: version } }]);
  return {
    json: { ...about, mode },
    text: [
      `${key}: ${mode === 'do' ? 'the running server makes' : 'would be made'} a ${kind} room of version ${version} in place of ${roomId} (version ${String(made)}), with the same key, for ${admitted.join(', ')}.`,
      'The former room leads there, and nobody writes in it any more. What was said in it stays in it.', ...refusals,
      ...(mode === 'do' ? [`See \`aceso rooms show ${key}\`.`] : []),
    ].join('\n'),
  };
}
