/** What a process has used, as Linux counts it (proc(5)). */
import { readFileSync } from 'node:fs';

export type Usage = { readonly cpuMs: number; readonly rssMb: number };

/** Clock ticks of /proc are 10 ms on every Linux that Node runs on. */
const TICK_MS = 10;

export function usage(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /su, '').split(' ');
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS, rssMb: (pages * 4096) / 1e6 };
}

/** Bytes that the process made the disk write, and the largest memory it ever had. */
export function peak(pid: number): { readonly peakRssMb: number; readonly writtenMb: number } {
  const number = (file: string, pattern: RegExp): number => Number(pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? Number.NaN);
  return { peakRssMb: (number('status', /^VmHWM:\s+(\d+)/mu) * 1024) / 1e6, writtenMb: number('io', /^write_bytes: (\d+)/mu) / 1e6 };
}
