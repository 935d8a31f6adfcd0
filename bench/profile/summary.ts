/** Where the time of a CPU profile goes (V8's .cpuprofile): by the file of ours that asked for it, and by the function that used it. */
import { readFileSync } from 'node:fs';
import { say } from '../load.ts';

type CallFrame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame; readonly children?: readonly number[] }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
};

const SHOWN = 25;

/** Prints both tables, in milliseconds per result; gives the first as figures. Idle time is left out. */
export function summary(files: readonly string[], results: number): Readonly<Record<string, number>> {
  const byFile = new Map<string, number>();
  const byFunction = new Map<string, number>();
  const add = (to: Map<string, number>, key: string, ms: number): unknown => to.set(key, (to.get(key) ?? 0) + ms);
  for (const file of files) {
    const thread = /-(main|thread\d+)\.cpuprofile$/u.exec(file)?.[1]?.replace(/\d+$/u, '') ?? '';
    const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
    const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
    const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
    for (const [index, sample] of profile.samples.entries()) {
      const ms = Math.max(0, profile.timeDeltas[index] ?? 0) / 1000;
      const own = nodes.get(sample)?.callFrame;
      if (own === undefined || own.functionName === '(idle)') continue;
      add(byFunction, `${thread} ${own.functionName || '(anonymous)'} ${placeOf(own)}`, ms);
      let at: number | undefined = sample;
      while (at !== undefined && !isOurs(nodes.get(at)?.callFrame)) at = parents.get(at);
      const frame = at === undefined ? undefined : nodes.get(at)?.callFrame;
      add(byFile, `${thread} ${frame ? placeOf(frame) : `no file of ours: ${own.functionName.startsWith('(') ? own.functionName : kindOf(own)}`}`, ms);
    }
  }
  const shown = (from: Map<string, number>): readonly (readonly [string, number])[] => [...from].sort(([, a], [, b]) => b - a).slice(0, SHOWN).map(([key, ms]) => [key, Math.round((ms / results) * 100) / 100]);
  say('CPU ms per result, by the nearest file of ours on the stack:');
  for (const [key, ms] of shown(byFile)) say(`  ${String(ms).padStart(7)}  ${key}`);
  say('CPU ms per result, by the function itself:');
  for (const [key, ms] of shown(byFunction)) say(`  ${String(ms).padStart(7)}  ${key}`);
  return Object.fromEntries(shown(byFile));
}

const isOurs = (frame: CallFrame | undefined): boolean => frame !== undefined && /\/(src|bridges)\/[^?]*\.ts$/u.test(frame.url) && !frame.url.includes('/node_modules/');

function placeOf({ url }: CallFrame): string {
  const ours = /\/((?:src|bridges)\/[^?]*)$/u.exec(url)?.[1];
  if (ours !== undefined && !url.includes('/node_modules/')) return ours;
  return /\/node_modules\/((?:@[^/]+\/)?[^/]+)/u.exec(url)?.[1] ?? url;
}

const kindOf = (frame: CallFrame): string => placeOf(frame) || 'native';
