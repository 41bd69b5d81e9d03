import { Fault } from '../kernel/fault.ts';
import { type DicomJson, numberOf } from './json.ts';

/** Bytes of one frame: ranges of the object, one after the other; more than one when its fragments lie apart. */
export type FrameRanges = readonly { readonly start: number; readonly end: number }[];

interface PixelSource {
  readonly dataset: DicomJson;
  /** offset of the pixel data value in the object */
  readonly offset: number;
  /** undefined = encapsulated */
  readonly length: number | undefined;
  /** bytes of the object */
  readonly objectLength: number;
  readonly read: (start: number, end: number) => Promise<Buffer>;
}

const ITEM = 0xfffee000;
const SEQUENCE_END = 0xfffee0dd;
const MAX_FRAGMENTS = 1_000_000;

const absent = (): Fault => new Fault('unknown', 'The instance has no such frame');

const frameCount = (dataset: DicomJson): number => {
  const frames = numberOf(dataset, '00280008') ?? 1;
  return Number.isSafeInteger(frames) && frames > 0 ? frames : 1;
};

/** Bits of one native frame; undefined when the attributes that say so are missing. */
const frameBits = (dataset: DicomJson): number | undefined => {
  const [rows, columns, samples, allocated] = ['00280010', '00280011', '00280002', '00280100'].map((tag) =>
    numberOf(dataset, tag),
  );
  if (!rows || !columns || !allocated) return undefined;
  // 4:2:2 chrominance is stored for every second column (PS3.3 §C.7.6.3.1.2)
  const perPixel = dataset['00280004']?.Value?.[0] === 'YBR_FULL_422' ? 2 : (samples ?? 1);
  return rows * columns * perPixel * allocated;
};

/**
 * Where the frames lie (PS3.5 §8, §A.4), found without reading pixels. Only what is asked for is looked up, so a false
 * NumberOfFrames costs nothing.
 *
 * @param wanted frame numbers, counted from 1
 * @throws Fault `unknown` when a frame is not there
 */
export const locateFrames = async (source: PixelSource, wanted: readonly number[]): Promise<FrameRanges[]> =>
  source.length === undefined ? encapsulatedFrames(source, wanted) : wanted.map((number) => [nativeFrame(source, number)]);

const nativeFrame = (source: PixelSource, number: number): { start: number; end: number } => {
  const bits = frameBits(source.dataset);
  if (bits === undefined || number > frameCount(source.dataset)) throw absent();
  if (bits % 8 !== 0) throw new Fault('unsupported', 'Frames that do not begin at a byte are not available singly');
  const start = source.offset + (number - 1) * (bits / 8);
  const end = start + bits / 8;
  if (end > source.offset + source.length!) throw absent();
  return { start, end };
};

interface Fragment {
  /** of the item's tag, relative to the first fragment's: what the offset tables count in */
  readonly relative: number;
  readonly start: number;
  readonly end: number;
}

const encapsulatedFrames = async (source: PixelSource, wanted: readonly number[]): Promise<FrameRanges[]> => {
  const { table, fragments } = await readFragments(source);
  const count = frameCount(source.dataset);
  if (wanted.some((number) => number > count)) throw absent();
  const starts = extendedOffsets(source.dataset) ?? (table.length === count ? table : undefined);
  return wanted.map((number) => {
    const own = fragmentsOf(number, count, starts, fragments);
    if (own.length === 0) throw absent();
    return own.map(({ start, end }) => ({ start, end }));
  });
};

const fragmentsOf = (
  number: number,
  count: number,
  starts: readonly number[] | undefined,
  fragments: readonly Fragment[],
): Fragment[] => {
  if (count === 1) return [...fragments];
  if (fragments.length === count) return fragments.slice(number - 1, number);
  if (!starts) throw new Fault('unsupported', 'The frames of this instance can not be told apart');
  const from = starts[number - 1]!;
  const to = starts[number] ?? Number.POSITIVE_INFINITY;
  return fragments.filter((fragment) => fragment.relative >= from && fragment.relative < to);
};

/** Extended Offset Table (7FE0,0001): 64-bit offsets (PS3.3 §C.7.6.3.1.8). */
const extendedOffsets = (dataset: DicomJson): number[] | undefined => {
  const inline = dataset['7FE00001']?.InlineBinary;
  if (inline === undefined) return undefined;
  const bytes = Buffer.from(inline, 'base64');
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, at) => Number(bytes.readBigUInt64LE(at * 8)));
};

const WINDOW = 64 * 1024;

/** Reads item headers only; a window is read at a time, since small fragments lie close together. */
const readFragments = async (source: PixelSource): Promise<{ table: number[]; fragments: Fragment[] }> => {
  let window: Buffer = Buffer.alloc(0);
  let windowStart = 0;
  const bytesAt = async (start: number, length: number): Promise<Buffer> => {
    if (start < windowStart || start + length > windowStart + window.length) {
      window = await source.read(start, Math.min(Math.max(start + length, start + WINDOW), source.objectLength));
      windowStart = start;
    }
    if (start + length > windowStart + window.length) throw new Fault('unknown', 'The pixel data ends early');
    return window.subarray(start - windowStart, start - windowStart + length);
  };
  const fragments: Fragment[] = [];
  let table: number[] = [];
  let first: number | undefined;
  for (let at = source.offset; ; ) {
    const head = await bytesAt(at, 8);
    const tag = head.readUInt16LE(0) * 65536 + head.readUInt16LE(2);
    const length = head.readUInt32LE(4);
    if (tag === SEQUENCE_END) return { table, fragments };
    if (tag !== ITEM || fragments.length >= MAX_FRAGMENTS) throw new Fault('unknown', 'The pixel data can not be read');
    if (first === undefined) {
      const offsets = length > 0 && length <= 4 * MAX_FRAGMENTS ? await source.read(at + 8, at + 8 + length) : Buffer.alloc(0);
      table = Array.from({ length: Math.floor(offsets.length / 4) }, (_, index) => offsets.readUInt32LE(index * 4));
      first = at + 8 + length;
    } else fragments.push({ relative: at - first, start: at + 8, end: at + 8 + length });
    at += 8 + length;
  }
};
