import { createHash, type Hash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../kernel/fault.ts';
import type { BlobBatch, BlobLocation, BlobWriter } from '../studies/ports.ts';
import type { KeyWrapper } from './keys.ts';
import { FRAME_BYTES, newDataKey, OBJECT_MAGIC, PACK_END, PACK_MAGIC, sealFrame } from './pack-format.ts';

const FLUSH_BYTES = 1 << 20;
const NO_KEY = Buffer.alloc(0);

/** A disk that refuses is the client's business (try later), never a crash. */
const asDiskFault = (error: unknown): Fault =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')
    ? new Fault('full', 'No space is left to keep the data', { dicomReason: 0xa700 }, { cause: error })
    : new Fault('busy', 'The data can not be kept now', { dicomReason: 0xa700, retryAfterSeconds: 30 }, { cause: error });

/** Appends to one file with a write in flight while the next is being filled. */
class Appender {
  readonly #file: FileHandle;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();
  #written = 0;
  position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async push(bytes: Buffer): Promise<void> {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.position += bytes.length;
    if (this.#pendingBytes >= FLUSH_BYTES) await this.#start();
  }

  /** Waits for the write before, then starts the next: at most two slabs in memory. */
  async #start(): Promise<void> {
    await this.#inFlight;
    const buffers = this.#pending;
    const at = this.#written;
    this.#written += this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#inFlight = writeAll(this.#file, buffers, at);
    // Awaited by the next push or flush; until then a rejection must not count as unhandled.
    this.#inFlight.catch(() => {});
  }

  async flush(): Promise<void> {
    if (this.#pendingBytes > 0) await this.#start();
    await this.#inFlight;
  }

  async rewind(position: number): Promise<void> {
    await this.flush();
    this.position = position;
    this.#written = position;
  }
}

const writeAll = async (file: FileHandle, buffers: Buffer[], at: number): Promise<void> => {
  let position = at;
  for (let first = 0; first < buffers.length; first += 512) {
    const group = buffers.slice(first, first + 512);
    const wanted = group.reduce((sum, buffer) => sum + buffer.length, 0);
    const { bytesWritten } = await file.writev(group, position);
    if (bytesWritten < wanted) {
      const rest = Buffer.concat(group).subarray(bytesWritten);
      for (let done = 0; done < rest.length; ) {
        const step = await file.write(rest, done, rest.length - done, position + bytesWritten + done);
        done += step.bytesWritten;
      }
    }
    position += wanted;
  }
};

interface FooterEntry {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

/** One object: hash, cut into frames, seal, append. */
const objectWriter = async (
  out: Appender,
  keys: KeyWrapper | undefined,
  footer: FooterEntry[],
  pack: string,
): Promise<BlobWriter> => {
  const key = keys ? newDataKey() : undefined;
  const wrappedKey = key ? keys!.wrap(key) : NO_KEY;
  const start = out.position;
  const hash: Hash = createHash('sha256');
  let frame = 0;
  let length = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;
  await out.push(Buffer.concat([OBJECT_MAGIC, Buffer.from([wrappedKey.length]), wrappedKey]));
  const offset = out.position;

  const sealHeld = async (): Promise<void> => {
    const plain = held.length === 1 ? held[0]! : Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    for (const piece of sealFrame(key!, frame++, plain)) await out.push(piece);
  };

  return {
    write: async (chunk) => {
      hash.update(chunk);
      length += chunk.length;
      if (!key) return out.push(chunk);
      for (let at = 0; at < chunk.length; ) {
        const take = Math.min(FRAME_BYTES - heldBytes, chunk.length - at);
        held.push(chunk.subarray(at, at + take));
        heldBytes += take;
        at += take;
        if (heldBytes === FRAME_BYTES) await sealHeld();
      }
    },
    end: async () => {
      if (heldBytes > 0) await sealHeld();
      const sha256 = hash.digest();
      const location: BlobLocation = { pack, offset, length, wrappedKey };
      footer.push({ offset, length, sha256: sha256.toString('hex') });
      return { location, sha256 };
    },
    abandon: () => out.rewind(start),
  };
};

/** Every promise that meets the disk rejects with a Fault. */
const guarded = <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) => {
  return async (...args: Args): Promise<T> => {
    try {
      return await work(...args);
    } catch (error) {
      throw error instanceof Fault ? error : asDiskFault(error);
    }
  };
};

const footerOf = (entries: readonly FooterEntry[]): Buffer => {
  const json = Buffer.from(JSON.stringify(entries));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([json, length, PACK_END]);
};

/**
 * One request's pack: written under a temporary name, synced once, then renamed and its folder synced. A pack under its
 * final name is always whole.
 *
 * @param root folder of all packs
 * @param day `YYYY/MM/DD`, so that start-up looks at the newest folders only
 */
export const createBatch = (root: string, day: string, keys: KeyWrapper | undefined): BlobBatch => {
  const pack = `${day}/${randomUUID()}`;
  const finalPath = join(root, `${pack}.pack`);
  const temporaryPath = `${finalPath}.tmp`;
  const folder = join(root, day);
  const footer: FooterEntry[] = [];
  let file: FileHandle | undefined;
  let out: Appender | undefined;

  const appender = async (): Promise<Appender> => {
    if (out) return out;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    file = await open(temporaryPath, 'wx', 0o600);
    out = new Appender(file);
    await out.push(PACK_MAGIC);
    return out;
  };
  const guardedWriter = (writer: BlobWriter): BlobWriter => ({
    write: guarded(writer.write),
    end: guarded(writer.end),
    abandon: guarded(writer.abandon),
  });

  return {
    object: guarded(async () => guardedWriter(await objectWriter(await appender(), keys, footer, pack))),
    sync: guarded(async () => {
      if (!file || !out) return;
      if (footer.length > 0) {
        await out.push(footerOf(footer));
        await out.flush();
        await file.truncate(out.position);
        await file.datasync();
      }
      await file.close();
      file = undefined;
      if (footer.length === 0) return rm(temporaryPath, { force: true });
      await rename(temporaryPath, finalPath);
      await syncFolders(root, day);
    }),
    discard: guarded(async () => {
      await out?.flush().catch(() => {});
      await file?.close();
      file = undefined;
      await rm(temporaryPath, { force: true });
      await rm(finalPath, { force: true });
    }),
  };
};

const syncedDays = new Map<string, string>();

/** The entry of a new file is durable when its folder is synced; a new day's folder needs its parents synced too. */
const syncFolders = async (root: string, day: string): Promise<void> => {
  const folders = [day];
  if (syncedDays.get(root) !== day) {
    const [year, month] = day.split('/');
    folders.push(`${year}/${month}`, year!, '');
  }
  for (const folder of folders) {
    const handle = await open(join(root, folder), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  syncedDays.set(root, day);
};
