import type { LoadedConfig } from '../../config/load.ts';
import { honoursOf, knownOf, TRAITS } from '../../domain/agreements/conduct.ts';
import { as, type Millis } from '../../domain/brand.ts';
import type { Store } from '../../ports/store.ts';
import { registersOf } from '../agreements/register.ts';
import { instant, table, type Printed } from '../print.ts';
import { KNOWN_WORDS, seenWords, TRAIT_WORDS } from './words.ts';

/** Every partner, and what was seen of its homeserver: when, and how. */
export async function listPartners(store: Pick<Store, 'states'>, config: LoadedConfig): Promise<Printed> {
  const now = as<Millis>(Date.now());
  const registers = await registersOf(store);
  const servers = [...new Set([...config.partners.map(({ server_name: server }) => server), ...registers.map(({ server }) => server)])].sort();
  const partners = servers.map((partner) => ({ partner, conduct: registers.find(({ server }) => server === partner)?.conduct ?? {} }));
  return {
    json: partners.map(({ partner, conduct }) => ({
      partner, honours: honoursOf(conduct, now),
      seen: Object.fromEntries(TRAITS.map((trait) => { const seen = conduct[trait]; return [trait, { known: knownOf(seen, now), ...(seen === undefined ? {} : { ...seen, at: instant(seen.at) }) }]; })),
    })),
    text: table(['PARTNER', 'ITS HOMESERVER', '', 'SEEN'], partners.flatMap(({ partner, conduct }) => TRAITS.map((trait) => [partner, TRAIT_WORDS[trait], KNOWN_WORDS[knownOf(conduct[trait], now)], seenWords(conduct[trait], now)])), 'No partner.'),
  };
}
