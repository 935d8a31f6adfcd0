/** Saying something and seeing it decided: a client that reads back at once finds what it wrote (RFC 7644 §3.3). */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { SourceId } from '../../src/domain/brand.ts';
import type { Staff, StaffSaid } from '../../src/domain/people/staff.ts';
import type { StaffDesk } from '../../src/ports/bridge.ts';
import { done, refusal, type Refusal, type Result } from './reply.ts';

/** How long decisions are waited for; one takes milliseconds, a group of a thousand seconds. */
const PATIENCE_MS = 5000;
const EACH_MS = 20;
const LONGEST_MS = 25_000;
const LOOK_MS = 15;

/** The news is stored at once, all or none, and each is decided when its test holds. `stale`: something else was said meanwhile, and this was not taken. */
export type Wish = { readonly said: StaffSaid; readonly isDone: (staff: Staff | undefined) => boolean | 'stale' };

export const UNAVAILABLE: Refusal = refusal(503, 'unavailable', 'This can not be stored or seen now. Send it again: what was stored is known.', { headers: { 'retry-after': '5' } });

export async function keep(desk: StaffDesk, wishes: readonly Wish[]): Promise<Result<'done' | 'stale'>> {
  if (wishes.length === 0) return done('done');
  const taken = await desk.staff(wishes.map(({ said }) => ({ key: randomUUID(), said })));
  if (!taken.ok) return { ok: false, refusal: UNAVAILABLE };
  const until = performance.now() + Math.min(LONGEST_MS, PATIENCE_MS + wishes.length * EACH_MS);
  let [...left] = wishes;
  for (;;) {
    const still: Wish[] = [];
    for (const wish of left) {
      const staff = await desk.one(wish.said.source, wish.said.subject);
      if (!staff.ok) return { ok: false, refusal: UNAVAILABLE };
      const state = wish.isDone(staff.value);
      if (state === 'stale') return done('stale');
      if (!state) still.push(wish);
    }
    left = still;
    if (left.length === 0) return done('done');
    if (performance.now() > until) return { ok: false, refusal: UNAVAILABLE };
    await pause(LOOK_MS);
  }
}

/** Reads, says and sees it decided; from the start again when somebody else said something meanwhile. */
export async function retried<T>(attempt: () => Promise<Result<T | 'stale'>>): Promise<Result<T>> {
  for (let tries = 0; tries < 5; tries += 1) {
    const result = await attempt();
    if (!result.ok) return result;
    if (result.value !== 'stale') return done(result.value);
  }
  return { ok: false, refusal: UNAVAILABLE };
}

export const everybody = async (desk: StaffDesk, source: SourceId): Promise<Result<readonly Staff[]>> => {
  const all = await desk.all(source);
  return all.ok ? done(all.value) : { ok: false, refusal: UNAVAILABLE };
};

export const somebody = async (desk: StaffDesk, source: SourceId, subject: string): Promise<Result<Staff | undefined>> => {
  const one = await desk.one(source, subject);
  return one.ok ? done(one.value) : { ok: false, refusal: UNAVAILABLE };
};
