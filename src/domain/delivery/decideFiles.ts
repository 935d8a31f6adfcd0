import type { Millis } from '../brand.ts';
import { FILES, REFUSALS } from '../clinical/attachment.ts';
import { renderFile } from '../clinical/renderFile.ts';
import type { Context } from '../decision.ts';
import type { EffectResult } from '../effect.ts';
import type { FactOf } from '../fact.ts';
import { POLICY, type DeliveryState, type FileState } from './delivery.ts';
import { eventNames, fileEffect, holdCodeOf, isFileHold, isSettled, noticeEffects, withFile } from './files.ts';
import { reaching } from './send.ts';
import { hold, kept, released, went, type DeliveryDecision } from './steps.ts';

/** What becomes of the files of a delivery: fetched from their sender where they are there, sent after the message, or told to its readers in words. */
type Result<Kind extends EffectResult['type']> = Extract<EffectResult, { readonly type: Kind }>;

/** A file is on its way or there; what it was held for ends with the last one that was waited for. */
export function fileSent(before: DeliveryState, file: FileState, { eventId }: Result<'room.send'>, at: Millis): DeliveryDecision {
  const { failed: _, ...rest } = file;
  const state = withFile(before, { ...rest, eventId });
  return went(releasedWhenWhole(state), { at, what: `${file.name} is sent`, proof: eventId }, { names: eventNames(state) });
}

const releasedWhenWhole = (state: DeliveryState): DeliveryState => (isFileHold(state) && state.files?.every(isSettled) === true ? released(state) : state);

/** What its sender gave out: a file as if it had come along, or one that isn't sent on, which its readers are told once they have the message. */
export function fileFetched(before: DeliveryState, file: FileState, result: Result<'file.fetch'>, { settings }: Context, at: Millis): DeliveryDecision {
  if ('blob' in file || file.refused) return kept(before, 'fetched already');
  const { name } = file;
  if ('refused' in result) {
    const refused: FileState = { ...file, refused: result.refused };
    const state = releasedWhenWhole(withFile(before, refused));
    const decision = went(state, { at, what: `${name} was fetched and is not sent on`, proof: result.refused }, { effects: state.eventId === undefined ? [] : noticeEffects(state, refused, REFUSALS[result.refused], settings) });
    return { ...decision, audit: [...decision.audit, { action: 'attachment.refused', because: result.refused, detail: { source: state.source, attachment: name } }] };
  }
  const { eventId, noticeId } = file;
  const content = result.facts.map((facts) => renderFile({ ...facts, name: `${name}.${FILES[facts.type].extension}` }, before.id));
  const here = { name, blob: result.blob, content };
  const state = withFile(before, { ...here, ...(eventId === undefined ? {} : { eventId }), ...(noticeId === undefined ? {} : { noticeId }) });
  const reach = state.eventId === undefined ? undefined : reaching(state, settings);
  return went(state, { at, what: `${name} was fetched from its sender` }, { effects: reach ? [fileEffect(state, reach, here)] : [] });
}

/** The message stands, and says that a file follows: its readers are told when it can't, and somebody here answers for it. Before that nobody waits for the file. */
export function fileFailed(before: DeliveryState, file: FileState, { code, message, final }: FactOf<'effect.failed'>, { settings }: Context, at: Millis): DeliveryDecision {
  if (file.eventId) return kept(before, 'already sent');
  if (before.eventId === undefined) return kept(withFile(before, { ...file, missed: code }), 'its message is not sent yet: the file is asked for again when it is');
  // What was only stopped may follow yet: its readers are told nothing.
  const isOver = final && code !== POLICY;
  const state = isOver ? withFile(before, { ...file, failed: code }) : before;
  const effects = isOver ? noticeEffects(state, file, FAILURE_WORDS[code] ?? 'the homeserver did not take it', settings) : [];
  const reason = `its message is sent, ${file.name} is not: ${message}`;
  if (state.held && !isFileHold(state)) return went(state, { at, what: reason, proof: code }, { effects });
  return { ...hold(state, { code: holdCodeOf(code), reason }, at), effects };
}

const FAILURE_WORDS: Readonly<Record<string, string>> = { 'too-large': 'it is larger than the homeserver takes', 'source-away': 'its sender did not give it out', 'source-refuses': 'its sender did not give it out' };

export function fileNoticed(before: DeliveryState, file: FileState, { eventId }: Result<'room.send'>, at: Millis): DeliveryDecision {
  const state = withFile(before, { ...file, noticeId: eventId });
  return went(state, { at, what: `its readers are told that ${file.name} could not be sent`, proof: eventId }, { names: eventNames(state) });
}

/** Files that were fetched before the message was sent, and aren't sent on: now there is a message to say it under. */
export const refusedNotices = (state: DeliveryState, { settings }: Context): ReturnType<typeof noticeEffects> =>
  (state.files ?? []).flatMap((file) => (file.refused === undefined ? [] : noticeEffects(state, file, REFUSALS[file.refused], settings)));
