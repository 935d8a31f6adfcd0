/** The note by which a worker knows that rooms must be read: since when (milliseconds since the epoch), and why. */
export const CATCH_UP = 'catch-up';

export type CatchUp = { readonly since: number; readonly because: 'restored' | 'asked' };

export const askCatchUp = (since: number, because: CatchUp['because']): Readonly<Record<string, string>> => ({ [CATCH_UP]: JSON.stringify({ since, because } satisfies CatchUp) });
