import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { findTransferSyntax } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import type { InstanceRow } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';

/** @param start inclusive @param end exclusive, both as the walker counted them when the object arrived */
export type ReadValue = (start: number, end: number) => AsyncIterable<Buffer>;

const WORD_BYTES: Readonly<Record<string, 2 | 4 | 8>> = {
  OW: 2,
  US: 2,
  SS: 2,
  OF: 4,
  OL: 4,
  FL: 4,
  UL: 4,
  SL: 4,
  OD: 8,
  OV: 8,
  FD: 8,
};

/**
 * Reads within one value of a stored object. What goes out is always little endian (PS3.18 §8.7.3), words of the VR turned round
 * as PS3.5 §7.3 says; a deflated object is inflated as far as needed, never into memory.
 */
export const valueReader = (
  studies: Studies,
  row: InstanceRow,
  value: { readonly vr: string; readonly offset: number },
): ReadValue => {
  const syntax = findTransferSyntax(row.transferSyntaxUid)!;
  if (syntax.deflated) return (start, end) => sliced(inflated(studies.bytes(row)), start, end);
  const width = syntax.bigEndian ? WORD_BYTES[value.vr] : undefined;
  if (width === undefined) return (start, end) => studies.bytes(row, start, end);
  return (start, end) => {
    // A range may begin within a word, as a frame of an odd number of bytes does.
    const from = start - ((start - value.offset) % width);
    const to = end + ((width - ((end - value.offset) % width)) % width);
    return sliced(swapped(studies.bytes(row, from, to), width), start - from, end - from);
  };
};

/** Bytes `start` to `end` of a stream; the rest is not read. */
async function* sliced(bytes: AsyncIterable<Buffer>, start: number, end: number): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of bytes) {
    const part = chunk.subarray(Math.max(start - at, 0), Math.max(end - at, 0));
    if (part.length > 0) yield part;
    at += chunk.length;
    if (at >= end) return;
  }
  throw new Fault('bug', 'The object is shorter than its index says');
}

async function* swapped(bytes: AsyncIterable<Buffer>, width: 2 | 4 | 8): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const all = Buffer.concat([held, chunk]);
    const whole = all.subarray(0, all.length - (all.length % width));
    held = all.subarray(whole.length);
    if (whole.length > 0) yield width === 2 ? whole.swap16() : width === 4 ? whole.swap32() : whole.swap64();
  }
  if (held.length > 0) yield held;
}

const PREAMBLE = 132;
const LONG_LENGTH = new Set(['OB', 'OW', 'UN', 'SQ', 'UT', 'UC', 'UR']);

/** First byte after the file meta information; undefined while more bytes are needed. */
const datasetStart = (bytes: Buffer): number | undefined => {
  for (let at = PREAMBLE; bytes.length >= at + 12; ) {
    if (bytes.readUInt16LE(at) !== 2) return at;
    const long = LONG_LENGTH.has(bytes.toString('latin1', at + 4, at + 6));
    at += long ? 12 + bytes.readUInt32LE(at + 8) : 8 + bytes.readUInt16LE(at + 6);
  }
  return undefined;
};

async function* withoutMeta(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (!head) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    // The deflated bytes may look like anything: only the end of group 0002 tells where they begin.
    const start = datasetStart(head);
    if (start === undefined) continue;
    yield head.subarray(start);
    head = undefined;
  }
}

/** The dataset of a deflated object (PS3.5 §A.5). */
async function* inflated(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw();
  // A failure of either side ends the other; it is met by the reader below.
  const feeding = pipeline(Readable.from(withoutMeta(bytes)), inflate).catch(() => undefined);
  try {
    yield* inflate as AsyncIterable<Buffer>;
  } finally {
    inflate.destroy();
    await feeding;
  }
}
