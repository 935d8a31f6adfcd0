import type { Effect, EffectResult } from '../domain/effect.ts';
import type { Outcome } from '../domain/outcome.ts';

/**
 * Does one kind of effect. May be run again for the same effect at any time, also while it was half done: the world changes once.
 * A failure with `retry` is tried again by the loop, for as long as it takes; one without ends the effect and is told to its aggregate.
 */
export type Executor<Kind extends EffectResult['type'] = EffectResult['type']> = (effect: Effect & { readonly body: Extract<Effect['body'], { readonly type: Kind }> }) => Promise<Outcome<Extract<EffectResult, { readonly type: Kind }>>>;

export type Executors = { readonly [Kind in EffectResult['type']]: Executor<Kind> };
