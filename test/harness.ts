import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FhirResource } from 'fhir/r4';
import { stow } from '../demo/client.ts';
import { asOperator } from '../src/compose/operator.ts';
import { startServer } from '../src/compose/server.ts';
import { type Config, loadConfig } from '../src/kernel/config.ts';
import { createLog } from '../src/kernel/log.ts';
import { type MintRequest, mintToken } from '../src/smart/mint.ts';

export interface TestServer {
  readonly baseUrl: string;
  readonly config: Config;
  readonly token: (scope: string, options?: Partial<MintRequest>) => Promise<string>;
  readonly stop: () => Promise<void>;
}

export const temporaryFolder = async (t: TestContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'isthmus-test-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
};

/** A whole server on a free loopback port and a folder of its own; stopped with the test. */
export const testServer = async (t: TestContext, settings: Record<string, string> = {}): Promise<TestServer> => {
  const data = settings.ISTHMUS_DATA ?? (await mkdtemp(join(tmpdir(), 'isthmus-test-')));
  const env = {
    ISTHMUS_LISTEN: '127.0.0.1:0',
    ISTHMUS_QUIET_PERIOD_MS: '300',
    ISTHMUS_LOG_LEVEL: 'error',
    ISTHMUS_DATA: data,
    ...settings,
  };
  const { config } = loadConfig(env, join(data, 'isthmus.config.json'));
  const server = await startServer(config, createLog(config.logLevel));
  t.after(async () => {
    await server.stop();
    if (!settings.ISTHMUS_DATA) await rm(data, { recursive: true, force: true, maxRetries: 3 });
  });
  return {
    baseUrl: server.baseUrl,
    config,
    token: (scope, options = {}) =>
      asOperator(config, ({ grants, baseUrl }) => mintToken(grants, baseUrl, { scope, ttlSeconds: 600, ...options })),
    stop: server.stop,
  };
};

export interface Api {
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  readonly json: <T = Record<string, unknown>>(path: string) => Promise<T>;
  readonly post: (
    path: string,
    resource: FhirResource | Record<string, unknown>,
    headers?: Record<string, string>,
  ) => Promise<Response>;
  readonly put: (
    path: string,
    resource: FhirResource | Record<string, unknown>,
    headers?: Record<string, string>,
  ) => Promise<Response>;
  readonly stow: (objects: readonly Buffer[], study?: string) => Promise<Response>;
}

/** Calls with one token, as a client makes them. */
export const api = (baseUrl: string, token: string): Api => {
  const headers = { Authorization: `Bearer ${token}` };
  const send =
    (method: string) =>
    (path: string, resource: object, extra: Record<string, string> = {}) =>
      fetch(`${baseUrl}${path}`, {
        method,
        headers: { ...headers, 'Content-Type': 'application/fhir+json', ...extra },
        body: JSON.stringify(resource),
      });
  const get = (path: string, extra: Record<string, string> = {}): Promise<Response> =>
    fetch(`${baseUrl}${path}`, { headers: { ...headers, ...extra } });
  return {
    get,
    json: async (path) => {
      const response = await get(path);
      if (!response.ok) throw new Error(`GET ${path.split('?')[0]} answered ${response.status}`);
      return response.json() as never;
    },
    post: send('POST'),
    put: send('PUT'),
    stow: (objects, study) => stow(baseUrl, token, objects, study),
  };
};

/** Asks until the answer is there. */
export const until = async <T>(ask: () => Promise<T | undefined>, what: string, waitMs = 60_000): Promise<T> => {
  for (const end = Date.now() + waitMs; Date.now() < end; ) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`did not happen in time: ${what}`);
};

/** Parts of a multipart answer: header text and body. */
export const parts = async (response: Response): Promise<{ headers: string; body: Buffer }[]> => {
  const boundary = /boundary="?([^";]+)"?/.exec(response.headers.get('content-type') ?? '')?.[1];
  if (boundary === undefined) throw new Error(`no multipart: ${response.status} ${response.headers.get('content-type')}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const delimiter = Buffer.from(`--${boundary}`);
  const found: { headers: string; body: Buffer }[] = [];
  for (let at = bytes.indexOf(delimiter); at >= 0; ) {
    const next = bytes.indexOf(Buffer.from(`\r\n--${boundary}`), at + delimiter.length);
    if (next < 0) break;
    const start = bytes.indexOf('\r\n\r\n', at) + 4;
    found.push({ headers: bytes.toString('latin1', at + delimiter.length + 2, start - 4), body: bytes.subarray(start, next) });
    at = next + 2;
  }
  return found;
};
