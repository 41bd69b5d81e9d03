import { type DestinationStream, pino } from 'pino';

/** Fields a log line may carry: an allow-list, since a redaction list forgets what nobody thought of. */
export interface LogFields {
  readonly requestId?: string;
  readonly route?: string;
  readonly method?: string;
  readonly status?: number;
  readonly durationMs?: number;
  readonly job?: string;
  readonly model?: string;
  readonly state?: string;
  readonly count?: number;
  readonly port?: number;
  readonly reason?: string;
  /** a bug's cause: its class, code and stack frames, never its message (it may quote data) */
  readonly error?: unknown;
}

export interface Log {
  readonly debug: (message: string, fields?: LogFields) => void;
  readonly info: (message: string, fields?: LogFields) => void;
  readonly warn: (message: string, fields?: LogFields) => void;
  readonly error: (message: string, fields?: LogFields) => void;
}

const ALLOWED = [
  'requestId',
  'route',
  'method',
  'status',
  'durationMs',
  'job',
  'model',
  'state',
  'count',
  'port',
  'reason',
] as const;

const describe = (error: unknown): Record<string, unknown> => {
  if (!(error instanceof Error)) return { kind: typeof error };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    kind: error.name,
    code: (error as NodeJS.ErrnoException).code,
    at: frames.slice(0, 8).map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
};

const allowed = (fields: LogFields): Record<string, unknown> => {
  const line: Record<string, unknown> = {};
  for (const key of ALLOWED) if (fields[key] !== undefined) line[key] = fields[key];
  if (fields.error !== undefined) line.error = describe(fields.error);
  return line;
};

/** One JSON line per event on standard output. */
export const createLog = (level: string, destination?: DestinationStream): Log => {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const logger = destination ? pino(options, destination) : pino(options);
  const at =
    (method: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}) =>
      logger[method](allowed(fields), message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
};
