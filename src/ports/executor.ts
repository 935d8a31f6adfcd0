import type { Millis } from '../domain/brand.ts';
import type { Effect, EffectResult } from '../domain/effect.ts';
import type { Outcome } from '../domain/outcome.ts';

/** An effect whose turn it is. `createdAt` is when it was decided first: it may have been tried since, by a device or worker that is gone. */
export type DueEffect<Kind extends EffectResult['type'] = EffectResult['type']> = Effect & { readonly createdAt: Millis; readonly body: Extract<Effect['body'], { readonly type: Kind }> };

/**
 * Does one kind of effect. May be run again for the same effect at any time, also while it was half done: the world changes once.
 * A failure with `retry` is tried again by the loop, for as long as it takes; one without ends the effect and is told to its aggregate.
 */
export type Executor<Kind extends EffectResult['type'] = EffectResult['type']> = (effect: DueEffect<Kind>) => Promise<Outcome<Extract<EffectResult, { readonly type: Kind }>>>;

export type Executors = { readonly [Kind in EffectResult['type']]: Executor<Kind> };
