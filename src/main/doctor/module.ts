import type { Inspection } from '../../adapters/matrix/inspect.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';
import { moduleTokenOf } from '../synapseModule.ts';

const WHAT = 'module in the homeserver';

/** The module that asks before something exists: tried by a room that must be refused. With Aceso stopped, this shows what happens while it is away. */
export const lookAtModule = (config: LoadedConfig, inspection: Pick<Inspection, 'probeModule'>, isRunning: boolean): Promise<readonly Finding[]> => looked(WHAT, '`aceso init` makes a token where there is none; the homeserver needs the same.', async () => {
  if (moduleTokenOf(config) === undefined) return [warn(WHAT, 'not used: people make what rooms they want', 'Load it (docs/synapse-module.md), and set appservice.module_token_file.')];
  const { appservice: { url } } = config;
  switch (await inspection.probeModule()) {
    case 'refused': return [fine(WHAT, 'asks Aceso: a room that must be refused was refused, with its words. While Aceso is away it refuses by itself: stop Aceso and run this again to see it')];
    case 'away': return [isRunning ? broken(WHAT, 'gets no answer of Aceso, and refuses rooms, invitations and messages for PHI', `It must reach ${url} within 2 s, with the token of appservice.module_token_file; its own lines in the homeserver's log say why (aceso.away).`)
      : fine(WHAT, 'Aceso is away, and a room was refused for it, as it should be; people can log in, leave, and write in rooms that hold no PHI')];
    case 'made': return [broken(WHAT, 'not loaded: a room that must be refused was made (and left again)', 'Have the homeserver load homeserver-aceso.yaml, and restart it. Where no module can be installed, take appservice.module_token_file out of aceso.yaml.')];
    default: return [warn(WHAT, 'not seen', 'The homeserver refused a room for another reason. Does the courier exist? Start the server once.')];
  }
});
