/** One line of what was looked at. `todo`: what to do, where it isn't fine. Never PHI, never a secret. */
export type Finding = { readonly level: 'ok' | 'warn' | 'fail'; readonly what: string; readonly is: string; readonly todo?: string };

export const fine = (what: string, is: string): Finding => ({ level: 'ok', what, is });
export const warn = (what: string, is: string, todo: string): Finding => ({ level: 'warn', what, is, todo });
export const broken = (what: string, is: string, todo: string): Finding => ({ level: 'fail', what, is, todo });

/** A check that throws is a finding too: the doctor goes on with the next. */
export async function looked(what: string, todo: string, look: () => Promise<readonly Finding[]> | readonly Finding[]): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [broken(what, error instanceof Error ? error.message : 'unknown', todo)];
  }
}
