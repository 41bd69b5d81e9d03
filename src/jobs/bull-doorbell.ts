import Queue from 'bull';
import { Redis } from 'ioredis';
import type { Log } from '../kernel/log.ts';
import type { Doorbell } from './ports.ts';

const QUEUE = 'isthmus-jobs';
const COMMAND_TIMEOUT_MS = 2000;

/**
 * Wakes workers on every machine through Redis. The message is the job's key and nothing else: no identifier of a patient
 * goes to Redis, and every worker must still win the lease in the job table. Redis may be down or lose all it holds; the
 * sweep of the table then finds the jobs.
 *
 * @param url `redis://host:port`
 */
export const createBullDoorbell = (url: string, log: Log): Doorbell => {
  const connections: Redis[] = [];
  const connect = (blocking: boolean): Redis => {
    // Blocking and subscribing connections must retry for ever; the one that adds must fail fast, or ingest would wait.
    const options = blocking
      ? { maxRetriesPerRequest: null, enableReadyCheck: false }
      : { maxRetriesPerRequest: 1, commandTimeout: COMMAND_TIMEOUT_MS };
    const connection = new Redis(url, { ...options, retryStrategy: (attempt: number) => Math.min(attempt * 200, 5000) });
    connection.on('error', () => {});
    connections.push(connection);
    return connection;
  };
  const queue = new Queue<{ job: string }>(QUEUE, {
    createClient: (type) => connect(type !== 'client') as never,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
  });
  queue.on('error', () => log.warn('the doorbell lost Redis', { state: 'redis' }));
  let listener: (() => void) | undefined;

  return {
    ring: async (jobKey) => {
      try {
        await withTimeout(queue.add({ job: jobKey }, { jobId: jobKey }), COMMAND_TIMEOUT_MS);
      } catch (error) {
        log.warn('a job could not be announced; the sweep will find it', { job: jobKey, error });
      }
    },
    onRing: (added) => {
      const first = listener === undefined;
      listener = added;
      if (first)
        void queue
          .process(async () => listener?.())
          .catch((error: unknown) => log.warn('the doorbell stopped listening', { error }));
    },
    healthy: async () => {
      try {
        return (await withTimeout(queue.client.ping(), COMMAND_TIMEOUT_MS)) === 'PONG';
      } catch {
        return false;
      }
    },
    close: async () => {
      await withTimeout(queue.close(true), COMMAND_TIMEOUT_MS).catch(() => {});
      for (const connection of connections) connection.disconnect();
    },
  };
};

const withTimeout = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
};
