import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { commitment } from './log.ts';
import { append, emptyFrontier, leafHash, rootOf } from './merkle.ts';
import { CHECKPOINTS, detailPath, logPath, readRecords, segmentsOf } from './segments.ts';

export type Verdict =
  | { readonly ok: true; readonly size: number; readonly root: string; readonly checkpoints: number; readonly erased: number }
  /** `index` is the first entry that is not what it should be */
  | { readonly ok: false; readonly index: number; readonly reason: string };

interface Options {
  /** checkpoint kept elsewhere: shows a log that was rolled back or replaced as a whole */
  readonly since?: string | undefined;
}

const bad = (index: number, reason: string): Verdict => ({ ok: false, index, reason });

const readCheckpoints = async (directory: string, publicKey: KeyObject): Promise<Checkpoint[] | undefined> => {
  let text: string;
  try {
    text = await readFile(join(directory, CHECKPOINTS), 'utf8');
  } catch {
    return [];
  }
  const checkpoints: Checkpoint[] = [];
  const notes = text.match(/[^\n]+\n\d+\n[^\n]+\n\n\u2014 [^\n]+\n\n?/g) ?? [];
  for (const note of notes) {
    const checkpoint = openCheckpoint(note.replace(/\n\n$/, '\n'), publicKey);
    if (!checkpoint) return undefined;
    checkpoints.push(checkpoint);
  }
  return notes.join('').trim().length === text.trim().length ? checkpoints : undefined;
};

/** Details in step with the entries of a segment. */
const detailsOf = (directory: string, first: number): AsyncIterator<{ entry: Buffer }> =>
  readRecords(detailPath(directory, first))[Symbol.asyncIterator]();

const checkDetail = (entry: Buffer, detail: Buffer | undefined): 'kept' | 'erased' | 'wrong' => {
  if (!detail) return 'wrong';
  try {
    const { salt, event } = JSON.parse(detail.toString('utf8')) as { salt: string | null; event: string | null };
    if (salt === null || event === null) return 'erased';
    const kept = JSON.parse(entry.toString('utf8')) as { commitment: string };
    return commitment(Buffer.from(salt, 'base64'), event) === kept.commitment ? 'kept' : 'wrong';
  } catch {
    return 'wrong';
  }
};

/**
 * Recomputes the tree from the files and holds it against every signed checkpoint: finds a changed, missing, moved or added
 * entry, a cut end, a replaced tree and a wrong key. Streams; memory does not grow with the log.
 */
export const verifyLog = async (directory: string, publicKey: KeyObject, { since }: Options = {}): Promise<Verdict> => {
  const own = await readCheckpoints(directory, publicKey);
  if (!own) return bad(0, 'a checkpoint is not signed by this key');
  const external = since === undefined ? undefined : openCheckpoint(since, publicKey);
  if (since !== undefined && !external) return bad(0, 'the external checkpoint is not signed by this key');
  const checkpoints = [...own, ...(external ? [external] : [])].sort((a, b) => a.size - b.size);
  const frontier = emptyFrontier();
  let [next, verified, erased] = [0, 0, 0];
  const reach = (): Verdict | undefined => {
    for (; next < checkpoints.length && checkpoints[next]!.size === frontier.size; next++) {
      if (!checkpoints[next]!.root.equals(rootOf(frontier)))
        return bad(verified, `an entry between ${verified} and ${frontier.size} is not what was signed`);
      verified = frontier.size;
    }
    return undefined;
  };
  for (const first of await segmentsOf(directory)) {
    if (first !== frontier.size) return bad(frontier.size, 'a segment is missing');
    const details = detailsOf(directory, first);
    let torn = false;
    for await (const { entry } of readRecords(logPath(directory, first), 0, () => {
      torn = true;
    })) {
      const start = reach();
      if (start) return start;
      const detail = await details.next();
      const state = checkDetail(entry, detail.done ? undefined : detail.value.entry);
      if (state === 'wrong') return bad(frontier.size, 'the event is not the one that was recorded');
      if (state === 'erased') erased++;
      append(frontier, leafHash(entry));
    }
    if (torn) return bad(frontier.size, 'a record is not whole');
    if (!(await details.next()).done) return bad(frontier.size, 'an event has no entry in the log');
  }
  const end = reach();
  if (end) return end;
  if (next < checkpoints.length)
    return bad(frontier.size, `the log is shorter than it was signed to be (${checkpoints[next]!.size})`);
  return { ok: true, size: frontier.size, root: rootOf(frontier).toString('base64'), checkpoints: checkpoints.length, erased };
};
