import { as, type EffectId, type EventId } from '../brand.ts';
import type { Settings } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { DeliveryContent } from '../fact.ts';
import type { Sealed } from '../sealed.ts';
import type { DeliveryState, FileState } from './delivery.ts';
import { reaching, sendEffect, type Reach } from './send.ts';

/**
 * The files of a delivery, each an event of its own after the message, which it answers. They go in a lane of their own: a large file, or one
 * that the homeserver doesn't take, holds up no other result.
 */
export const fileLane = ({ id }: DeliveryState): string => `files:${id}`;

const fileEffect = ({ id }: DeliveryState, { name }: FileState): EffectId => as<EffectId>(`send:${id}:${name}`);
const noticeEffect = (state: DeliveryState, file: FileState): EffectId => as<EffectId>(`${fileEffect(state, file)}:notice`);

/** Hold codes of files begin so: the message itself has been sent. */
const ATTACHMENT = 'attachment-';
export const holdCodeOf = (code: string): string => `${ATTACHMENT}${code}`;
export const isFileHold = ({ held }: DeliveryState): boolean => held?.code.startsWith(ATTACHMENT) === true;

/** Sends what has not been sent yet: asked for again, what is done stays done. In another room than the message it answers nothing. */
export function fileEffects(state: DeliveryState, reach: Reach | undefined): readonly Effect[] {
  if (!reach) return [];
  const replyTo = reach.roomId === state.roomId ? state.eventId : undefined;
  return (state.files ?? []).filter(({ eventId }) => eventId === undefined).map((file) => inOrder(state, reach, fileEffect(state, file), file.content.map((content) => answering(content, replyTo)), file));
}

/** What its readers are told in place of a file that can't be sent. */
export function noticeEffects(state: DeliveryState, file: FileState, why: string, settings: Settings): readonly Effect[] {
  const reach = reaching(state, settings);
  const body = `Attachment ${file.name} could not be sent: ${why}. See it in the record at ${settings.organisation}.`;
  const content = file.content.map(({ 'org.aceso.delivery': delivery }) => answering({ 'msgtype': 'm.text', body, 'm.mentions': {}, 'org.aceso.delivery': delivery }, state.eventId));
  return reach ? [inOrder(state, reach, noticeEffect(state, file), content)] : [];
}

function inOrder(state: DeliveryState, reach: Reach, id: EffectId, content: Sealed<DeliveryContent>, file?: FileState): Effect {
  const effect = sendEffect({ ...state, content }, reach);
  return { ...effect, id, lane: fileLane(state), body: { ...effect.body, ...(file ? { blob: file.blob } : {}) } };
}

/** A reply, not a thread: stock clients show it in the room beside its message. */
const answering = (content: DeliveryContent, eventId: EventId | undefined): DeliveryContent => (eventId === undefined ? content : { ...content, 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } });

export const fileOf = (state: DeliveryState, effect: EffectId): FileState | undefined => state.files?.find((file) => fileEffect(state, file) === effect);
export const noticedFile = (state: DeliveryState, effect: EffectId): FileState | undefined => state.files?.find((file) => noticeEffect(state, file) === effect);

export const withFile = (state: DeliveryState, file: FileState): DeliveryState => ({ ...state, files: (state.files ?? []).map((each) => (each.name === file.name ? file : each)) });

/** The names by which an answer, receipt or reaction finds its delivery: its message, its files, and the answers so far. */
export const eventNames = ({ eventId, files = [], answers = [] }: DeliveryState): readonly EventId[] => [eventId, ...files.flatMap((file) => [file.eventId, file.noticeId]), ...answers].filter((name) => name !== undefined);
