import type { LoadedConfig } from '../../config/load.ts';
import { driftOf } from '../../domain/agreements/demands.ts';
import { as } from '../../domain/brand.ts';
import type { Store } from '../../ports/store.ts';
import { registersOf } from '../agreements/register.ts';
import { configuredDemands } from '../agreements/roomDemands.ts';
import { fine, looked, warn, type Finding } from './finding.ts';

/** Whether what this hospital asks of shared rooms is what its agreements say that it asks. */
export const lookAtAgreements = (config: LoadedConfig, store: Pick<Store, 'states'>): Promise<readonly Finding[]> => looked('agreements', '`aceso agreements list`', async () => {
  const registers = await registersOf(store);
  if (registers.length === 0) return [];
  const own = configuredDemands(config);
  return registers.flatMap((register) => driftOf(register, own, as(Date.now())).map(({ entry: { terms: { id } }, differs }) => {
    const what = `agreement with ${register.server}`;
    return differs === 'rules' ? fine(what, `${id} names another revision of this hospital's rules, which asked the same of shared rooms`)
      : warn(what, `${id} says otherwise than this hospital's rules and templates of what it asks of shared rooms`, 'What is stricter counts at once. For what is looser, draft and sign a new one: `aceso agreements show`.');
  }));
});
