import { as, type EffectId, type EventId, type ServerName } from '../brand.ts';
import type { Settings } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { DeliveryContent, FileHere } from '../fact.ts';
import type { Sealed } from '../sealed.ts';
import type { DeliveryState, FileState } from './delivery.ts';
import { reaching, sendEffect, type Reach } from './send.ts';

/**
 * The files of a delivery, each an event of its own after the message, which it answers. They go in a lane of their own: a large file, or one
 * that the homeserver doesn't take, holds up no other result. One that is with its sender is fetched from the beginning, each in its own lane, whether the message can go
 * out already or not.
 */
const fileLane = ({ id }: DeliveryState): string => `files:${id}`;

export const fileLanes = (state: DeliveryState): readonly string[] => [fileLane(state), ...(state.files ?? []).filter(isAwaited).map((file) => fetchEffect(state, file).lane)];

const sendId = ({ id }: DeliveryState, { name }: FileState): EffectId => as<EffectId>(`send:${id}:${name}`);
const noticeId = (state: DeliveryState, file: FileState): EffectId => as<EffectId>(`${sendId(state, file)}:notice`);
const fetchId = ({ id }: DeliveryState, { name }: FileState): EffectId => as<EffectId>(`fetch:${id}:${name}`);

/** Hold codes of files begin so: the message itself has been sent. */
const ATTACHMENT = 'attachment-';
export const holdCodeOf = (code: string): string => `${ATTACHMENT}${code}`;
export const isFileHold = ({ held }: DeliveryState): boolean => held?.code.startsWith(ATTACHMENT) === true;

type Awaited = Extract<FileState, { readonly awaited: unknown }>;
const isAwaited = (file: FileState): file is Awaited => 'awaited' in file && file.refused === undefined;

/** Sent, or never to be. */
export const isSettled = ({ eventId, refused }: FileState): boolean => eventId !== undefined || refused !== undefined;

/** Its message is in the room, and every file too, or never to be. */
export const isWhole = ({ eventId, files = [] }: DeliveryState): boolean => eventId !== undefined && files.every(isSettled);

/**
 * Sends what has not been sent yet, and asks again for what its sender did not give out. Asked for again, what is done stays done; what is being fetched is left alone, because what
 * comes for a former asking doesn't count (decision 17).
 */
export function fileEffects(state: DeliveryState, reach: Reach | undefined): readonly Effect[] {
  if (!reach) return [];
  return (state.files ?? []).filter((file) => !isSettled(file)).flatMap((file) => {
    if (!isAwaited(file)) return [fileEffect(state, reach, file)];
    return file.missed === undefined && file.failed === undefined ? [] : [fetchEffect(state, file)];
  });
}

/** In another room than the message it answers nothing. */
export function fileEffect(state: DeliveryState, reach: Reach, file: FileHere): Effect {
  const replyTo = reach.roomId === state.roomId ? state.eventId : undefined;
  return inOrder(state, reach, sendId(state, file), file.content.map((content) => answering(content, replyTo)), file);
}

/** Asks their sender for those that aren't here. */
export const fetchEffects = (state: DeliveryState): readonly Effect[] => (state.files ?? []).filter(isAwaited).map((file) => fetchEffect(state, file));

/** A sender whose server is slow keeps the files of others from nothing. */
const fetchEffect = (state: DeliveryState, file: Awaited): Effect => {
  const id = fetchId(state, file);
  return { id, lane: id, destination: as<ServerName>(`source ${state.source}`), body: { type: 'file.fetch', source: state.source, file: file.awaited } };
};

/** What its readers are told in place of a file that can't be sent. */
export function noticeEffects(state: DeliveryState, file: FileState, why: string, settings: Settings): readonly Effect[] {
  const reach = reaching(state, settings);
  const body = `Attachment ${file.name} could not be sent: ${why}. See it in the record at ${settings.organisation}.`;
  const content = state.content.map(() => answering({ 'msgtype': 'm.text', body, 'm.mentions': {}, 'org.aceso.delivery': { id: state.id } }, state.eventId));
  // It tells nothing of the record, and whoever was promised a file hears why there is none, whatever the rules say by now.
  const { labels: _, ...unlabelled } = state;
  return reach ? [inOrder(unlabelled, reach, noticeId(state, file), content)] : [];
}

function inOrder(state: DeliveryState, reach: Reach, id: EffectId, content: Sealed<DeliveryContent>, file?: FileHere): Effect {
  const effect = sendEffect({ ...state, content }, reach);
  return { ...effect, id, lane: fileLane(state), body: { ...effect.body, ...(file ? { blob: file.blob } : {}) } };
}

/** A reply, not a thread: stock clients show it in the room beside its message. */
const answering = (content: DeliveryContent, eventId: EventId | undefined): DeliveryContent => (eventId === undefined ? content : { ...content, 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } });

export const fileOf = (state: DeliveryState, effect: EffectId): FileState | undefined => state.files?.find((file) => sendId(state, file) === effect);
export const noticedFile = (state: DeliveryState, effect: EffectId): FileState | undefined => state.files?.find((file) => noticeId(state, file) === effect);
export const fetchedFile = (state: DeliveryState, effect: EffectId): FileState | undefined => state.files?.find((file) => fetchId(state, file) === effect);

export const withFile = (state: DeliveryState, file: FileState): DeliveryState => ({ ...state, files: (state.files ?? []).map((each) => (each.name === file.name ? file : each)) });

/** The names by which an answer, receipt or reaction finds its delivery: its message, its files, and the answers so far. */
export const eventNames = ({ eventId, files = [], answers = [] }: DeliveryState): readonly EventId[] => [eventId, ...files.flatMap((file) => [file.eventId, file.noticeId]), ...answers].filter((name) => name !== undefined);
