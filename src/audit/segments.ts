import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The log on disk: segment files `<first index, 12 digits>.log`, each a row of records
 *
 *   record  UInt32LE length, entry
 *
 * An entry is the canonical JSON of { recorded, salted hash of the event }: the event itself lies in `<first index>.detail` with the same
 * record form as { salt, event }, so that its erasure leaves every proof as it was.
 */
export const segmentName = (first: number): string => String(first).padStart(12, '0');
export const EVENTS_PER_SEGMENT = 100_000;
const MAX_RECORD = 16 << 20;
const WINDOW = 1 << 20;

export const segmentsOf = async (directory: string): Promise<number[]> =>
  (await readdir(directory))
    .flatMap((name) => /^(\d{12})\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

export const record = (entry: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(entry.length);
  return Buffer.concat([length, entry]);
};

/**
 * Records of one file from a position, with the position behind each.
 *
 * @param onTorn called with the position of a last record that is not whole
 */
export async function* readRecords(
  path: string,
  start = 0,
  onTorn?: (position: number) => void,
): AsyncGenerator<{ entry: Buffer; end: number }> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    let held: Buffer = Buffer.alloc(0);
    let position = start;
    for (let readAt = start; ; ) {
      const chunk = Buffer.allocUnsafe(WINDOW);
      const { bytesRead } = await file.read(chunk, 0, WINDOW, readAt);
      readAt += bytesRead;
      held = held.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([held, chunk.subarray(0, bytesRead)]);
      let at = 0;
      while (held.length - at >= 4) {
        const length = held.readUInt32LE(at);
        if (length > MAX_RECORD) {
          onTorn?.(position);
          return;
        }
        if (held.length - at < 4 + length) break;
        position += 4 + length;
        yield { entry: held.subarray(at + 4, at + 4 + length), end: position };
        at += 4 + length;
      }
      held = held.subarray(at);
      if (bytesRead === 0) {
        if (held.length > 0) onTorn?.(position);
        return;
      }
    }
  } finally {
    await file.close();
  }
}

export const logPath = (directory: string, first: number): string => join(directory, `${segmentName(first)}.log`);
export const detailPath = (directory: string, first: number): string => join(directory, `${segmentName(first)}.detail`);
export const CHECKPOINTS = 'checkpoints';
