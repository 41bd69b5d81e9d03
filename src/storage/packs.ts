import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { BlobLocation, BlobStore } from '../studies/ports.ts';
import type { KeyWrapper } from './keys.ts';
import { FRAME_BYTES, openFrame, TAG_BYTES } from './pack-format.ts';
import { createBatch } from './pack-writer.ts';

const READ_FRAMES = 16;
const MAX_OPEN = 256;
const SET_ASIDE = 'unindexed';

interface PackOptions {
  readonly directory: string;
  readonly keys: KeyWrapper;
  /** false = new objects are written in the clear (disk encryption is then the operator's) */
  readonly seal: boolean;
  readonly clock: Clock;
}

export interface Packs extends BlobStore {
  /**
   * After a crash: half-written packs were never acknowledged and go; a whole pack that no row points at is set aside, not
   * deleted, since a restored older index could be the reason. Looks only at folders from the newest indexed day on.
   *
   * @param newest the last pack the index knows, undefined when it knows none
   */
  readonly recover: (
    newest: string | undefined,
    isIndexed: (pack: string) => Promise<boolean>,
  ) => Promise<{ removed: number; setAside: number }>;
  readonly close: () => Promise<void>;
}

/** Files of a folder tree as the blob store (the default of `ISTHMUS_BLOBS`). */
export const createPacks = async ({ directory, keys, seal, clock }: PackOptions): Promise<Packs> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = openFiles(directory);
  return {
    batch: () =>
      createBatch(directory, new Date(clock.now()).toISOString().slice(0, 10).replaceAll('-', '/'), seal ? keys : undefined),
    read: (location, start = 0, end = location.length) =>
      readObject(files, keys, location, start, Math.min(end, location.length)),
    recover: (newest, isIndexed) => recover(directory, newest, isIndexed),
    close: files.close,
  };
};

interface Files {
  readonly use: <T>(pack: string, work: (file: FileHandle) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

/** Keeps the most recently used packs open; one is closed only when nobody reads from it. */
const openFiles = (directory: string): Files => {
  const held = new Map<string, { file: Promise<FileHandle>; users: number }>();
  const evict = async (): Promise<void> => {
    for (const [pack, entry] of held) {
      if (held.size <= MAX_OPEN) return;
      if (entry.users > 0) continue;
      held.delete(pack);
      await (await entry.file).close();
    }
  };
  return {
    use: async (pack, work) => {
      const entry = held.get(pack) ?? { file: open(join(directory, `${pack}.pack`), 'r'), users: 0 };
      held.delete(pack);
      held.set(pack, entry);
      entry.users++;
      try {
        return await work(await entry.file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).syscall === 'open') held.delete(pack);
        throw error;
      } finally {
        entry.users--;
        if (held.size > MAX_OPEN) await evict();
      }
    },
    close: async () => {
      for (const entry of held.values()) await entry.file.then((file) => file.close()).catch(() => {});
      held.clear();
    },
  };
};

const readExactly = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const buffer = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new Error('the pack ends before the object');
    done += bytesRead;
  }
  return buffer;
};

async function* readObject(
  files: Files,
  keys: KeyWrapper,
  location: BlobLocation,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const sealed = location.wrappedKey.length > 0;
  const key = sealed ? keys.unwrap(location.wrappedKey) : undefined;
  const stride = FRAME_BYTES + (sealed ? TAG_BYTES : 0);
  const frames = Math.ceil(location.length / FRAME_BYTES);
  for (let frame = Math.floor(start / FRAME_BYTES); frame * FRAME_BYTES < end; frame += READ_FRAMES) {
    const last = Math.min(frame + READ_FRAMES, Math.ceil(end / FRAME_BYTES), frames);
    const from = location.offset + frame * stride;
    const storedEnd =
      last === frames ? location.offset + location.length + (sealed ? frames * TAG_BYTES : 0) : location.offset + last * stride;
    const stored = await files.use(location.pack, (file) => readExactly(file, from, storedEnd - from));
    for (let index = frame; index < last; index++) {
      const piece = stored.subarray((index - frame) * stride, (index - frame + 1) * stride);
      const plain = key ? openFrame(key, index, piece) : piece;
      const low = Math.max(start - index * FRAME_BYTES, 0);
      const high = Math.min(end - index * FRAME_BYTES, plain.length);
      if (high > low) yield plain.subarray(low, high);
    }
  }
}

const recover = async (
  directory: string,
  newest: string | undefined,
  isIndexed: (pack: string) => Promise<boolean>,
): Promise<{ removed: number; setAside: number }> => {
  const oldestDay = newest ? newest.slice(0, 'YYYY/MM/DD'.length) : '';
  let removed = 0;
  let setAside = 0;
  for (const day of await daysFrom(directory, oldestDay)) {
    for (const name of await readdir(join(directory, day))) {
      const path = join(directory, day, name);
      if (name.endsWith('.tmp')) {
        await rm(path, { force: true });
        removed++;
      } else if (name.endsWith('.pack') && !(await isIndexed(`${day}/${basename(name, '.pack')}`))) {
        await mkdir(join(directory, SET_ASIDE), { recursive: true, mode: 0o700 });
        await rename(path, join(directory, SET_ASIDE, name));
        setAside++;
      }
    }
  }
  return { removed, setAside };
};

const daysFrom = async (directory: string, oldest: string): Promise<string[]> => {
  const numbered = async (folder: string): Promise<string[]> =>
    (await readdir(join(directory, folder))).filter((name) => /^\d+$/.test(name));
  const days: string[] = [];
  for (const year of await numbered('')) {
    if (year < oldest.slice(0, 4)) continue;
    for (const month of await numbered(year)) {
      if (`${year}/${month}` < oldest.slice(0, 7)) continue;
      for (const day of await numbered(`${year}/${month}`))
        if (`${year}/${month}/${day}` >= oldest) days.push(`${year}/${month}/${day}`);
    }
  }
  return days.sort();
};
