import { mixedPrints, mixtureOf, printsOf, type Prints } from '../../config/sections.ts';
import { loadConfig, type LoadedConfig } from '../../config/load.ts';
import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import type { Settings } from '../../domain/decision.ts';
import { templateFor, type RoomTemplate, type RoomTemplates } from '../../domain/rooms/template.ts';
import { settingsOf, templatesOf } from '../compose.ts';
import { policyAgain } from '../policy/inForce.ts';

/** The configuration by which a worker goes now, whatever the file says by now. */
export type InForce = { readonly config: LoadedConfig; /** Of the file, not of what the command line put in its place. */ readonly prints: Prints; readonly settings: Settings; /** Of results rooms. */ readonly template: RoomTemplate; readonly templates: RoomTemplates; readonly policy: LoadedPolicy };

/** Throws `ConfigError` when a template can't be used. */
export function inForceOf(config: LoadedConfig, prints: Prints): Omit<InForce, 'policy'> {
  const templates = templatesOf(config);
  return { config, prints, settings: { ...settingsOf(config), templates }, template: templateFor(templates, 'results'), templates };
}

export type Proposed = { readonly file: Prints; readonly next: InForce };

/** What would be in force by the file, and the folder of rules, as they are now. Throws `ConfigError` when one is wrong, or doesn't fit what can't be changed while running. */
export function proposed({ config, prints, policy }: InForce): Proposed {
  const loaded = loadConfig(config.path);
  const file = printsOf(loaded);
  const next = mixtureOf(config, loaded);
  return { file, next: { ...inForceOf(next, mixedPrints(prints, file)), policy: policyAgain(next, policy) } };
}
