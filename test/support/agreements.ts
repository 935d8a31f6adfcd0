import type { Entry, Register } from '../../src/domain/agreements/register.ts';
import type { Standby } from '../../src/domain/agreements/demands.ts';
import type { Keepers, Terms } from '../../src/domain/agreements/terms.ts';
import { as } from '../../src/domain/brand.ts';
import { T0 } from './reports.ts';

/** An agreement between the two hospitals of the tests; T0 is 2026-11-24. */
export const terms = (change: Partial<Terms> = {}): Terms => ({
  id: `ag_${'1'.repeat(32)}`, kind: 'treatment', parties: [{ server: 'mercy.example', name: 'Mercy' }, { server: 'stanne.example', name: 'St. Anne' }],
  scope: ['results'], from: '2026-01-01', until: '2027-12-31', policy: 'a'.repeat(64), ...change,
});

export const entry = (change: Partial<Terms> = {}): Entry => ({ terms: terms(change), signatures: { partner: 'p', own: 'o' }, addedAt: T0, addedBy: 'tester' });

export const register = (...agreements: readonly Entry[]): Register => ({ server: 'stanne.example', key: 'k1', agreements, rooms: [] });

/** Who keeps a hospital's rooms. */
export const keepers = (server: string): Keepers => ({
  guardian: as(`@aceso_guardian:${server}`), courier: as(`@aceso_courier:${server}`), policyServer: { serverName: as(`policy.${server}`), userId: as(`@policy:policy.${server}`), publicKey: `${server.slice(0, 4)}${'A'.repeat(39)}` },
});

export const standbyWith = (own: Keepers, theirs: Keepers): Standby => ({ partner: theirs.guardian.slice(theirs.guardian.indexOf(':') + 1), own, theirs });
