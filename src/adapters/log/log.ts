import { pino, type DestinationStream } from 'pino';
import type { LeveledLog, LogFields, LogLevel } from '../../ports/telemetry.ts';

/** Logs as JSON lines: time, level, code, ids. A field that isn't a short plain value has no way in. */
export function createLog(level: LogLevel, destination?: DestinationStream): LeveledLog {
  const logger = pino({ level, base: { app: 'aceso' }, messageKey: 'event', timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination ?? pino.destination({ dest: 1, sync: true }));
  const write = (name: 'info' | 'warn' | 'error') => (code: string, fields: LogFields = {}): void => logger[name](fields, code);
  return { info: write('info'), warn: write('warn'), error: write('error'), setLevel: (to) => { logger.level = to; } };
}
