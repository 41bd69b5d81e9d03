import { createInflateRaw } from 'node:zlib';
import { Fault } from '../kernel/fault.ts';

/** Up to here any ratio is taken; beyond it only what a real image can reach. */
const FREE_BYTES = 16 << 20;
const MAX_RATIO = 100;

/**
 * Inflates a deflated dataset (PS3.5 §A.5) piece by piece: nothing inflated is kept, and a stream that grows like a bomb is
 * left where it begins to.
 *
 * @throws Fault `malformed` for what is no deflate stream, `tooLarge` for a bomb, and whatever `take` throws
 */
export const inflateBounded = async (deflated: readonly Buffer[], take: (bytes: Buffer) => void): Promise<void> => {
  const inflate = createInflateRaw({ chunkSize: 64 * 1024 });
  const deflatedBytes = deflated.reduce((sum, bytes) => sum + bytes.length, 0);
  const limit = Math.max(FREE_BYTES, deflatedBytes * MAX_RATIO);
  let inflatedBytes = 0;
  const done = (async () => {
    for await (const piece of inflate) {
      inflatedBytes += (piece as Buffer).length;
      if (inflatedBytes > limit)
        throw new Fault('tooLarge', 'The deflated dataset grows beyond all measure', { dicomReason: 0xa700 });
      take(piece as Buffer);
    }
  })();
  for (const bytes of deflated) inflate.write(bytes);
  inflate.end();
  try {
    await done;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('malformed', 'The dataset is not a whole deflate stream', { dicomReason: 0xc000 }, { cause: error });
  } finally {
    inflate.destroy();
  }
};
