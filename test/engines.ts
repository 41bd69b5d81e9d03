import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** Servers of the system that a test starts for itself on free loopback ports and ends by process id. */
export interface Engine {
  readonly url: string;
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const postgresFolder = (): string | undefined => {
  const root = '/usr/lib/postgresql';
  const version = existsSync(root) ? readdirSync(root).sort().at(-1) : undefined;
  return version && existsSync(join(root, version, 'bin', 'postgres')) ? join(root, version, 'bin') : undefined;
};

const onPath = (name: string): boolean => (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));

/** Reason to skip, or false. In CI a missing engine is a failure. */
export const missing = (engine: 'postgres' | 'redis-server'): string | false => {
  const found = engine === 'postgres' ? postgresFolder() !== undefined : onPath('redis-server');
  if (found) return false;
  if (process.env.ISTHMUS_CI) throw new Error(`${engine} is missing`);
  return `${engine} is not installed here`;
};

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => (child.exitCode !== null ? resolve() : child.once('exit', () => resolve())));

const stopping = (child: ChildProcess, folder: string) => ({
  stop: async () => {
    child.kill('SIGINT');
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  },
  kill: async () => {
    child.kill('SIGKILL');
    await ended(child);
  },
});

const retried = async (attempt: () => Promise<unknown>): Promise<void> => {
  for (let left = 100; ; left--) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
};

/** PostgreSQL refuses to run as root: then it runs as the user `postgres` that its package made. */
const asServerUser = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
};

export const startPostgres = async (): Promise<Engine> => {
  const bin = postgresFolder()!;
  const folder = await mkdtemp(join(tmpdir(), 'isthmus-postgres-'));
  const user = asServerUser();
  if (user.uid !== undefined) await chown(folder, user.uid, user.gid!);
  const data = join(folder, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'isthmus', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    stdio: 'ignore',
    cwd: folder,
    ...user,
  });
  const port = await freePort();
  const child = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder], {
    stdio: 'ignore',
    cwd: folder,
    ...user,
  });
  const url = `postgres://isthmus@127.0.0.1:${port}/postgres`;
  await retried(async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.end();
  });
  return { url, ...stopping(child, folder) };
};

export const startRedis = async (): Promise<Engine> => {
  const folder = await mkdtemp(join(tmpdir(), 'isthmus-redis-'));
  const port = await freePort();
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: 'ignore' },
  );
  const { Redis } = await import('ioredis');
  await retried(async () => {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
    client.on('error', () => {});
    try {
      await client.connect();
    } finally {
      client.disconnect();
    }
  });
  return { url: `redis://127.0.0.1:${port}`, ...stopping(child, folder) };
};
