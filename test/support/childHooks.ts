/**
 * Loaded before a child's program and before each of its threads (`--import`): another clock, or the engine of the release before, without
 * a word about either in the program.
 */
import { registerHooks } from 'node:module';

const shiftMs = Number(process.env['ACESO_CHILD_CLOCK_MS'] ?? 0);
if (shiftMs !== 0) {
  const now = Date.now.bind(Date);
  Date.now = () => now() + shiftMs;
}

if (process.env['ACESO_CHILD_ENGINE'] === 'previous') {
  const previous = import.meta.resolve('matrix-sdk-crypto-wasm-previous');
  registerHooks({ resolve: (specifier, context, next) => (specifier === '@matrix-org/matrix-sdk-crypto-wasm' ? { url: previous, shortCircuit: true } : next(specifier, context)) });
}
