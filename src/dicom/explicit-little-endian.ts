import { Fault } from '../kernel/fault.ts';
import { hasAmbiguousVr, vrOf } from './dictionary.ts';
import { EXPLICIT_LITTLE_ENDIAN } from './transfer-syntax.ts';

const UNDEFINED = 0xffffffff;
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const PIXEL_REPRESENTATION = 0x00280103;
const LONG_LENGTH = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const WIDTH: Readonly<Record<string, number>> = {
  US: 2,
  SS: 2,
  OW: 2,
  AT: 2,
  UL: 4,
  SL: 4,
  FL: 4,
  OF: 4,
  OL: 4,
  FD: 8,
  OD: 8,
  SV: 8,
  UV: 8,
  OV: 8,
};
const SHORT_MAX = 0xffff;
const PREAMBLE = 132;

interface Open {
  readonly kind: 'dataset' | 'sequence';
  readonly end: number;
  /** the source closes it with a delimiter of its own */
  readonly delimited: boolean;
}

const header = (tag: number, vr: string, length: number): Buffer => {
  const long = LONG_LENGTH.has(vr);
  const bytes = Buffer.alloc(long ? 12 : 8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.write(vr, 4, 'latin1');
  if (long) bytes.writeUInt32LE(length, 8);
  else bytes.writeUInt16LE(length, 6);
  return bytes;
};

const delimiter = (tag: number, length = 0): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
};

/** Elements of group 0002 with the new transfer syntax and a right group length. @returns undefined while more bytes are needed */
const rewriteMeta = (bytes: Buffer): { meta: Buffer; end: number } | undefined => {
  const kept: Buffer[] = [];
  let at = PREAMBLE;
  for (;;) {
    if (bytes.length < at + 12) return undefined;
    if (bytes.readUInt16LE(at) !== 2) break;
    const long = LONG_LENGTH.has(bytes.toString('latin1', at + 4, at + 6));
    const end = at + (long ? 12 + bytes.readUInt32LE(at + 8) : 8 + bytes.readUInt16LE(at + 6));
    if (bytes.length < end) return undefined;
    const element = bytes.readUInt16LE(at + 2);
    if (element === 0x0010) {
      const uid = Buffer.from(
        `${EXPLICIT_LITTLE_ENDIAN}\0`.slice(0, EXPLICIT_LITTLE_ENDIAN.length + (EXPLICIT_LITTLE_ENDIAN.length % 2)),
        'latin1',
      );
      kept.push(header(0x00020010, 'UI', uid.length), uid);
    } else if (element !== 0) kept.push(bytes.subarray(at, end));
    at = end;
  }
  const group = Buffer.concat(kept);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group.length);
  return { meta: Buffer.concat([bytes.subarray(0, PREAMBLE), header(0x00020000, 'UL', 4), length, group]), end: at };
};

interface Rewriter {
  readonly push: (chunk: Buffer) => Buffer[];
  readonly finish: () => void;
}

/** Rewrites element by element; sequences and items get undefined length, since their new length is not known beforehand. */
const createRewriter = (bigEndian: boolean): Rewriter => {
  const stack: Open[] = [{ kind: 'dataset', end: Number.POSITIVE_INFINITY, delimited: false }];
  let held: Buffer = Buffer.alloc(0);
  let at = 0;
  let position = 0;
  let passing = 0;
  let width = 1;
  let signed = false;
  let out: Buffer[] = [];

  const top = (): Open => stack[stack.length - 1]!;
  const u16 = (from: number): number => (bigEndian ? held.readUInt16BE(from) : held.readUInt16LE(from));
  const u32 = (from: number): number => (bigEndian ? held.readUInt32BE(from) : held.readUInt32LE(from));
  const tagAt = (from: number): number => u16(from) * 65536 + u16(from + 2);
  const damaged = (): Fault => new Fault('malformed', 'The stored dataset can not be rewritten');

  const close = (): void => {
    while (stack.length > 1 && position >= top().end) {
      const closed = stack.pop()!;
      out.push(delimiter(closed.kind === 'sequence' ? SEQUENCE_END : ITEM_END));
    }
  };

  const vrFor = (tag: number): string => {
    if ((tag & 0xffff) === 0) return 'UL';
    if (((tag >>> 16) & 1) === 1) return (tag & 0xffff) >= 0x10 && (tag & 0xffff) <= 0xff ? 'LO' : 'UN';
    const name = tag.toString(16).toUpperCase().padStart(8, '0');
    const vr = vrOf(name) ?? 'UN';
    if (vr === 'US' && hasAmbiguousVr(name)) return signed ? 'SS' : 'US';
    return vr;
  };

  const pass = (): void => {
    // A unit cut by the end of a chunk waits for the next one.
    const here = Math.min(passing, held.length - at);
    const whole = here === passing ? here : here - (here % width);
    const bytes = held.subarray(at, at + whole);
    if (!bigEndian || width === 1 || whole % width !== 0) out.push(bytes);
    else {
      const copy = Buffer.from(bytes);
      out.push(width === 2 ? copy.swap16() : width === 4 ? copy.swap32() : copy.swap64());
    }
    at += whole;
    position += whole;
    passing -= whole;
    if (passing === 0) close();
  };

  const between = (context: Open): boolean => {
    if (held.length - at < 8) return false;
    const tag = tagAt(at);
    const length = u32(at + 4);
    at += 8;
    position += 8;
    if (tag === SEQUENCE_END && context.delimited) {
      stack.pop();
      out.push(delimiter(SEQUENCE_END));
      close();
    } else if (tag === ITEM) {
      out.push(delimiter(ITEM, UNDEFINED));
      stack.push({
        kind: 'dataset',
        end: length === UNDEFINED ? Number.POSITIVE_INFINITY : position + length,
        delimited: length === UNDEFINED,
      });
      close();
    } else throw damaged();
    return true;
  };

  const read = (tag: number): { vr: string; length: number; bytes: number } | undefined => {
    if (!bigEndian) return { vr: vrFor(tag), length: u32(at + 4), bytes: 8 };
    const vr = held.toString('latin1', at + 4, at + 6);
    if (!LONG_LENGTH.has(vr)) return { vr, length: u16(at + 6), bytes: 8 };
    return held.length - at < 12 ? undefined : { vr, length: u32(at + 8), bytes: 12 };
  };

  const element = (): boolean => {
    if (held.length - at < 8) return false;
    const tag = tagAt(at);
    if (tag === ITEM_END) {
      at += 8;
      position += 8;
      stack.pop();
      out.push(delimiter(ITEM_END));
      close();
      return true;
    }
    const head = read(tag);
    if (!head) return false;
    const isGroupLength = (tag & 0xffff) === 0;
    if ((isGroupLength || tag === PIXEL_REPRESENTATION) && held.length - at < head.bytes + head.length) return false;
    if (tag === PIXEL_REPRESENTATION && head.length >= 2) signed = u16(at + head.bytes) === 1;
    at += head.bytes;
    position += head.bytes;
    const vr = head.length === UNDEFINED ? 'SQ' : head.vr;
    if (vr === 'SQ') {
      out.push(header(tag, 'SQ', UNDEFINED));
      stack.push({
        kind: 'sequence',
        end: head.length === UNDEFINED ? Number.POSITIVE_INFINITY : position + head.length,
        delimited: head.length === UNDEFINED,
      });
      close();
      return true;
    }
    // What does not fit a 16-bit length can only be written as UN (PS3.5 §6.2.2 note on long values).
    const written = !LONG_LENGTH.has(vr) && head.length > SHORT_MAX ? 'UN' : vr;
    if (isGroupLength) {
      at += head.length;
      position += head.length;
    } else {
      out.push(header(tag, written, head.length));
      width = WIDTH[vr] ?? 1;
      passing = head.length;
    }
    if (passing === 0) close();
    return true;
  };

  return {
    push: (chunk) => {
      held = at === held.length ? chunk : Buffer.concat([held.subarray(at), chunk]);
      at = 0;
      out = [];
      while (at < held.length) {
        const before = at;
        if (passing > 0) pass();
        else if (!(top().kind === 'sequence' ? between(top()) : element())) break;
        if (passing > 0 && at === before) break;
      }
      return out;
    },
    finish: () => {
      if (passing > 0 || stack.length > 1 || at < held.length) throw damaged();
    },
  };
};

/**
 * An Implicit VR Little Endian or Explicit VR Big Endian Part 10 object as Explicit VR Little Endian: the only form in which
 * web services give such objects out (PS3.18 §8.7.3.5.2).
 *
 * @param bigEndian whether the source is Explicit VR Big Endian
 */
export async function* toExplicitLittleEndian(source: AsyncIterable<Buffer>, bigEndian: boolean): AsyncGenerator<Buffer> {
  const rewriter = createRewriter(bigEndian);
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    if (!head) {
      yield* rewriter.push(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const found = rewriteMeta(head);
    if (!found) continue;
    yield found.meta;
    yield* rewriter.push(head.subarray(found.end));
    head = undefined;
  }
  rewriter.finish();
}
