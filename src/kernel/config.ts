import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';

const LISTEN = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/;
const flag = z.union([z.boolean(), z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1')]);

/** Every setting there is: environment `ISTHMUS_*` over `isthmus.config.json` over these defaults. */
export const Config = z.strictObject({
  listen: z.string().regex(LISTEN, 'host:port expected').default('127.0.0.1:8080').describe('host:port of the HTTP listener'),
  baseUrl: z
    .union([z.literal(''), z.url({ protocol: /^https?$/ })])
    .default('')
    .describe('public base URL without a trailing slash; empty = http://<listen>'),
  data: z.string().min(1).default('./data').describe('data folder: packs, index, keys, audit log'),
  databaseUrl: z
    .union([z.literal(''), z.string().regex(/^postgres(ql)?:\/\//, 'postgres://… expected')])
    .default('')
    .describe('empty = embedded SQLite; postgres://user:password@host:port/database'),
  redisUrl: z
    .union([z.literal(''), z.string().regex(/^rediss?:\/\//, 'redis://… expected')])
    .default('')
    .describe('empty = embedded doorbell; redis://host:port wakes workers on several machines'),
  blobs: z
    .literal('', 'only files (empty) are available in this version')
    .default('')
    .describe('where objects are kept: empty = files in the data folder'),
  encryptAtRest: flag.default(true).describe('seal each stored object with AES-256-GCM under a key of its own'),
  stowMaxBytes: z.coerce
    .number()
    .int()
    .positive()
    .default(2 ** 31)
    .describe('largest STOW-RS request body, bytes'),
  fhirMaxBytes: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 2 ** 20)
    .describe('largest FHIR request body, bytes'),
  quietPeriodMs: z.coerce
    .number()
    .int()
    .min(0)
    .default(10_000)
    .describe('a study that received nothing for so long counts as complete, ms'),
  jobConcurrency: z.coerce
    .number()
    .int()
    .min(0)
    .max(64)
    .default(1)
    .describe('AI jobs running at once; 0 = this server runs none'),
  jobTimeoutSeconds: z.coerce.number().int().min(1).default(600).describe('an AI job that runs longer is killed, seconds'),
  models: z.string().default('').describe('folder of further model packages; empty = built-in models only'),
  auditMode: z
    .enum(['ordinary', 'strict'])
    .default('ordinary')
    .describe('strict = the record of a read is synced to disk before the answer'),
  trustedInsecure: flag
    .default(false)
    .describe('allow plain HTTP beyond loopback: only behind a TLS proxy on the same host or network'),
  corsOrigins: z.string().default('').describe('origins of browser apps that may read answers, separated by commas'),
  patientIdSystem: z
    .string()
    .min(1)
    .default('urn:isthmus:patient-id')
    .describe('identifier system of a PatientID that comes without an issuer'),
  implicitConsent: z
    .enum(['basic-normal', 'all-normal', 'break-glass-only', 'deny'])
    .default('basic-normal')
    .describe('policy for a patient without an applicable Consent (IHE PCF implicit policies)'),
  organization: z
    .string()
    .default('')
    .describe('FHIR reference or identifier of the organization that runs this server, as a consent recipient'),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('least severe log line that is written'),
  corpus: z.string().default('').describe('folder of sample data for corpus tests'),
});

export type Config = z.infer<typeof Config>;

export const envName = (key: string): string => `ISTHMUS_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`;

/** Settings whose value may hold a password: shown as `***`. */
const SECRET = new Set(['databaseUrl', 'redisUrl']);

export interface Setting {
  readonly key: keyof Config;
  readonly env: string;
  readonly value: unknown;
  readonly default: unknown;
  readonly origin: 'environment' | 'file' | 'default';
  readonly description: string;
}

/** A start with a wrong setting is refused: the message names setting and reason, never the value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const readFile = (path: string): Record<string, unknown> => {
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch {
    throw new ConfigError(`${path} is not valid JSON`);
  }
};

const KEYS = Object.keys(Config.shape) as (keyof Config)[];

/**
 * @param env normally process.env
 * @param file path of isthmus.config.json; it need not exist
 * @throws ConfigError for an unknown key or a bad value
 */
export const loadConfig = (env: NodeJS.ProcessEnv, file = 'isthmus.config.json'): { config: Config; settings: Setting[] } => {
  const fromFile = readFile(file);
  const fromEnv: Record<string, string> = {};
  for (const key of KEYS) {
    const value = env[envName(key)];
    if (value !== undefined) fromEnv[key] = value;
  }
  const parsed = Config.safeParse({ ...fromFile, ...fromEnv });
  if (!parsed.success) {
    const reasons = parsed.error.issues.map((issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown setting ${issue.keys.join(', ')} in ${file}`
        : `${envName(String(issue.path[0]))} (${String(issue.path[0])}): ${issue.message}`,
    );
    throw new ConfigError(reasons.join('; '));
  }
  const config = { ...parsed.data, data: resolve(parsed.data.data) };
  const settings = KEYS.map(
    (key): Setting => ({
      key,
      env: envName(key),
      value: SECRET.has(key) && config[key] !== '' ? '***' : config[key],
      default: Config.shape[key].parse(undefined),
      origin: key in fromEnv ? 'environment' : key in fromFile ? 'file' : 'default',
      description: Config.shape[key].description ?? '',
    }),
  );
  return { config, settings };
};

export const listenAddress = (config: Config): { host: string; port: number } => {
  const [, host, port] = LISTEN.exec(config.listen)!;
  return { host: host!.replace(/^\[|\]$/g, ''), port: Number(port) };
};

export const baseUrlOf = (config: Config, port = listenAddress(config).port): string =>
  config.baseUrl !== ''
    ? config.baseUrl.replace(/\/+$/, '')
    : `http://${config.listen.slice(0, config.listen.lastIndexOf(':'))}:${port}`;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** Patient data never crosses a network in the clear by accident. @throws ConfigError */
export const refuseInsecureListener = (config: Config): void => {
  if (isLoopback(listenAddress(config).host) || config.trustedInsecure) return;
  throw new ConfigError(
    'ISTHMUS_LISTEN names an address beyond loopback: put a TLS proxy in front of 127.0.0.1, or set ISTHMUS_TRUSTED_INSECURE=true when a proxy on a private network does the TLS',
  );
};
