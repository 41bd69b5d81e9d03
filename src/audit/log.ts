import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import { appendFile, type FileHandle, mkdir, open, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEvent } from 'fhir/r4';
import type { Clock } from '../kernel/clock.ts';
import { signCheckpoint } from './checkpoint.ts';
import { append, type Frontier, leafHash, rootOf } from './merkle.ts';
import { CHECKPOINTS, detailPath, EVENTS_PER_SEGMENT, logPath, readRecords, record, segmentsOf } from './segments.ts';

export interface AuditLog {
  /**
   * Resolves when the event is with the operating system, or on disk when `durable` or in strict mode.
   *
   * @throws when it can not be kept: the caller must then not give out what it was about to
   */
  readonly append: (event: AuditEvent, durable?: boolean) => Promise<{ readonly index: number }>;
  readonly size: () => number;
  readonly close: () => Promise<void>;
}

export interface AuditLogOptions {
  readonly directory: string;
  /** name of the log in its checkpoints */
  readonly origin: string;
  readonly signingKey: KeyObject;
  readonly clock: Clock;
  readonly mode: 'ordinary' | 'strict';
  /** further place that gets every checkpoint, e.g. another volume */
  readonly onCheckpoint?: (text: string) => void;
}

const CHECKPOINT_EVERY = 1000;
const CHECKPOINT_MS = 10_000;
const SYNC_MS = 100;
const STATE = 'state.json';

interface Waiting {
  readonly event: AuditEvent;
  readonly durable: boolean;
  readonly resolve: (kept: { index: number }) => void;
  readonly reject: (error: unknown) => void;
}

/** Salted commitment to an event: the log proves it, and forgetting the salt with the event leaves nothing to guess by. */
export const commitment = (salt: Buffer, event: string): string =>
  createHash('sha256').update(salt).update(event).digest('base64');

interface State {
  readonly size: number;
  readonly nodes: readonly string[];
  readonly segment: number;
  readonly logEnd: number;
  readonly detailEnd: number;
}

const readState = async (directory: string): Promise<State> => {
  try {
    return JSON.parse(await readFile(join(directory, STATE), 'utf8')) as State;
  } catch {
    return { size: 0, nodes: [], segment: 0, logEnd: 0, detailEnd: 0 };
  }
};

/** Reads what was written after the last kept state; a torn last record was never acknowledged and is cut off. */
const recover = async (directory: string): Promise<{ frontier: Frontier; segment: number }> => {
  const state = await readState(directory);
  const frontier: Frontier = { size: state.size, nodes: state.nodes.map((node) => Buffer.from(node, 'base64')) };
  let segment = state.segment;
  for (const first of (await segmentsOf(directory)).filter((candidate) => candidate >= state.segment)) {
    segment = first;
    const isKnown = first === state.segment;
    let torn: number | undefined;
    for await (const { entry } of readRecords(logPath(directory, first), isKnown ? state.logEnd : 0, (position) => {
      torn = position;
    })) {
      append(frontier, leafHash(entry));
    }
    if (torn !== undefined) await truncate(logPath(directory, first), torn);
    await alignDetail(
      directory,
      first,
      frontier.size - first,
      isKnown ? { end: state.detailEnd, count: state.size - first } : { end: 0, count: 0 },
    );
  }
  return { frontier, segment };
};

/** The detail file is written first: what it holds beyond the log was never acknowledged. */
const alignDetail = async (
  directory: string,
  first: number,
  wanted: number,
  known: { end: number; count: number },
): Promise<void> => {
  let { end, count } = known;
  for await (const one of readRecords(detailPath(directory, first), known.end)) {
    if (count === wanted) break;
    count++;
    end = one.end;
  }
  await truncate(detailPath(directory, first), end).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
};

/** The append-only audit log of one server. */
export const createAuditLog = async (options: AuditLogOptions): Promise<AuditLog> => {
  const { directory, origin, signingKey, clock, mode } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const recovered = await recover(directory);
  const { frontier } = recovered;
  let segment = recovered.segment;
  let log = await open(logPath(directory, segment), 'a', 0o600);
  let detail = await open(detailPath(directory, segment), 'a', 0o600);
  let waiting: Waiting[] = [];
  let working: Promise<void> | undefined;
  let unsynced = false;
  let syncTimer: NodeJS.Timeout | undefined;
  let checkpointTimer: NodeJS.Timeout | undefined;
  const deferred: (() => Promise<void>)[] = [];
  let checkpointed = frontier.size;
  let checkpointAt = clock.now();
  let lastRecorded = 0;
  let failed: unknown;

  const roll = async (): Promise<void> => {
    if (frontier.size - segment < EVENTS_PER_SEGMENT) return;
    await sync();
    await Promise.all([log.close(), detail.close()]);
    segment = frontier.size;
    log = await open(logPath(directory, segment), 'a', 0o600);
    detail = await open(detailPath(directory, segment), 'a', 0o600);
  };

  const sync = async (): Promise<void> => {
    if (!unsynced) return;
    unsynced = false;
    await Promise.all([detail.datasync(), log.datasync()]);
  };

  const checkpoint = async (): Promise<void> => {
    await sync();
    const text = signCheckpoint({ origin, size: frontier.size, root: rootOf(frontier) }, signingKey);
    await appendFile(join(directory, CHECKPOINTS), `${text}\n`, { mode: 0o600, flush: true });
    const [logEnd, detailEnd] = (await Promise.all([log.stat(), detail.stat()])).map((stat) => stat.size);
    const state: State = {
      size: frontier.size,
      nodes: frontier.nodes.map((node) => node.toString('base64')),
      segment,
      logEnd: logEnd!,
      detailEnd: detailEnd!,
    };
    await writeFile(join(directory, `${STATE}.tmp`), JSON.stringify(state), { mode: 0o600, flush: true });
    await rename(join(directory, `${STATE}.tmp`), join(directory, STATE));
    checkpointed = frontier.size;
    checkpointAt = clock.now();
    options.onCheckpoint?.(text);
  };

  const writeGroup = async (group: readonly Waiting[]): Promise<void> => {
    await roll();
    const entries: Buffer[] = [];
    const details: Buffer[] = [];
    for (const { event } of group) {
      // Never earlier than the event before, even when the clock steps back.
      lastRecorded = Math.max(clock.now(), lastRecorded);
      const text = JSON.stringify({ ...event, recorded: new Date(lastRecorded).toISOString() });
      const salt = randomBytes(16);
      details.push(record(Buffer.from(JSON.stringify({ salt: salt.toString('base64'), event: text }))));
      entries.push(
        Buffer.from(JSON.stringify({ commitment: commitment(salt, text), recorded: new Date(lastRecorded).toISOString() })),
      );
    }
    await writeAll(detail, details);
    await writeAll(log, entries.map(record));
    const first = frontier.size;
    for (const entry of entries) append(frontier, leafHash(entry));
    unsynced = true;
    if (mode === 'strict' || group.some((one) => one.durable)) await sync();
    else if (!syncTimer) {
      syncTimer = setTimeout(() => {
        syncTimer = undefined;
        enqueue(sync);
      }, SYNC_MS);
    }
    for (const [at, one] of group.entries()) one.resolve({ index: first + at });
    if (frontier.size - checkpointed >= CHECKPOINT_EVERY || clock.now() - checkpointAt >= CHECKPOINT_MS) await checkpoint();
    else
      checkpointTimer ??= setTimeout(() => {
        checkpointTimer = undefined;
        enqueue(async () => (frontier.size > checkpointed ? checkpoint() : undefined));
      }, CHECKPOINT_MS).unref();
  };

  /** Between two groups; during one, its own end does the work. */
  const enqueue = (work: () => Promise<void>): void => {
    if (working) deferred.push(work);
    else working = work().catch(fail).finally(next);
  };

  const fail = (error: unknown): void => {
    // A log that lost a write must not go on: its tree would no longer be what is on disk.
    failed = error;
    for (const one of waiting.splice(0)) one.reject(error);
  };

  const next = (): void => {
    working = undefined;
    const work = deferred.shift();
    if (work) enqueue(work);
    else if (waiting.length > 0) start();
  };

  const start = (): void => {
    const group = waiting;
    waiting = [];
    working = writeGroup(group)
      .catch((error: unknown) => {
        for (const one of group) one.reject(error);
        fail(error);
      })
      .finally(next);
  };

  return {
    append: (event, durable = false) =>
      new Promise((resolve, reject) => {
        if (failed !== undefined) return reject(failed);
        waiting.push({ event, durable, resolve, reject });
        if (!working) start();
      }),
    size: () => frontier.size,
    close: async () => {
      clearTimeout(syncTimer);
      clearTimeout(checkpointTimer);
      while (working) await working;
      if (failed === undefined && (frontier.size > checkpointed || unsynced)) await checkpoint();
      await Promise.all([log.close(), detail.close()]);
    },
  };
};

const writeAll = async (file: FileHandle, buffers: Buffer[]): Promise<void> => {
  const bytes = Buffer.concat(buffers);
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
};
