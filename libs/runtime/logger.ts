import { pino, type DestinationStream, type Logger } from 'pino';
import { redactFields, redactText } from './redact.ts';

export type { Logger } from 'pino';

export type LoggerOptions = {
  /** The role; every line carries it. */
  name: string;
  level: string;
  /** `json` for collectors; `text` for a person at a terminal. */
  format: 'json' | 'text';
  /** @default standard output */
  destination?: DestinationStream;
};

type Line = Record<string, unknown> & { level: string; time: string; msg?: string };

const SHOWN_APART = new Set(['level', 'time', 'msg', 'name', 'role', 'pid', 'hostname']);

const encodeField = (value: unknown, isFatal: boolean): string => {
  if (typeof value !== 'object' || value === null) return String(value);
  if (isFatal && 'stack' in value && typeof value.stack === 'string') return value.stack;
  if ('message' in value && typeof value.message === 'string') return value.message;
  return JSON.stringify(value);
};

/** `12:00:01 warn  message · field=value` */
export const encodeTextLine = (json: string): string => {
  const line = JSON.parse(json) as Line;
  const fields = Object.entries(line)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => `${name}=${encodeField(value, line.level === 'fatal')}`);
  const text = [line.msg ?? '', ...fields].filter((part) => part !== '').join(' · ');
  return `${line.time.slice(11, 19)} ${line.level.padEnd(5)} ${text}\n`;
};

const textStream = (destination: DestinationStream): DestinationStream => ({
  write: (json: string) => destination.write(encodeTextLine(json)),
});

/**
 * A logger that leaves out what looks like a key, whether by the name of its field or by its shape; see
 * `redact.ts`. Errors belong in a field `err`.
 */
export const createLogger = (options: LoggerOptions): Logger => {
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });
  return pino(
    {
      level: options.level,
      base: { role: options.name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redactFields(fields) },
      // `formatters.log` has made errors plain already.
      serializers: { err: (value: unknown) => value },
      hooks: { streamWrite: redactText },
    },
    options.format === 'text' ? textStream(destination) : destination,
  );
};
