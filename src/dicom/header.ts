import { Fault } from '../kernel/fault.ts';
import {
  createDatasetWalker,
  type DatasetWalker,
  DEFAULT_LIMITS,
  type HeaderLimits,
  malformed,
  refused,
} from './dataset-walker.ts';
import { inflateBounded } from './inflate.ts';
import { type DicomJson, textOf } from './json.ts';
import { findTransferSyntax, type TransferSyntax } from './transfer-syntax.ts';
import { isUid } from './uid.ts';

/** Where the pixels of the top-level dataset are. */
export interface PixelDataLocation {
  readonly tag: string;
  readonly vr: string;
  /** of the value, in the file; in the inflated stream when the syntax is deflated */
  readonly offset: number;
  /** undefined = encapsulated (PS3.5 §A.4) */
  readonly length: number | undefined;
}

/** A value that is not in the JSON text: pixel data, and what is too large to inline. */
export interface BulkValue {
  /** `7FE00010`, nested `60031010/1/60031011` with items counted from 1 */
  readonly path: string;
  readonly vr: string;
  readonly offset: number;
  /** undefined = encapsulated */
  readonly length: number | undefined;
}

export interface DicomHeader {
  readonly transferSyntaxUid: string;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** whole dataset without group 0002; bulk values carry their path as BulkDataURI; text is UTF-8 without padding */
  readonly dataset: DicomJson;
  /** first byte after the file meta information */
  readonly datasetOffset: number;
  readonly pixelData: PixelDataLocation | undefined;
  readonly bulk: readonly BulkValue[];
}

export interface HeaderReader {
  /** @throws Fault `malformed`, `unsupportedMedia` or `tooLarge` with details.dicomReason as soon as the object can not be taken */
  readonly push: (chunk: Buffer) => void;
  /** @throws Fault when the object ends early or lacks what identifies it */
  readonly end: () => Promise<DicomHeader>;
}

const PREAMBLE = 128;
const META_MAX = 1 << 20;
const MAX_DEFLATED = 64 << 20;
const DICOMDIR = '1.2.840.10008.1.3.10';
const TRANSFER_SYNTAX_NOT_SUPPORTED = 0xc122;

interface Meta {
  readonly syntax: TransferSyntax;
  readonly dataset: DicomJson;
  readonly end: number;
}

/**
 * Walks a Part 10 object as it streams in: reads the dataset, skips pixels and large values by count, and keeps nothing but
 * the JSON model. The object is checked to its last byte, so that a truncated one is never taken for whole.
 */
export const createHeaderReader = (partial: Partial<HeaderLimits> = {}): HeaderReader => {
  const limits = { ...DEFAULT_LIMITS, ...partial };
  let held: Buffer = Buffer.alloc(0);
  let meta: Meta | undefined;
  let walker: DatasetWalker | undefined;
  const deflated: Buffer[] = [];
  let deflatedBytes = 0;

  const begin = (found: Meta): void => {
    meta = found;
    const { syntax } = found;
    walker = createDatasetWalker({
      offset: syntax.deflated ? 0 : found.end,
      explicit: !syntax.implicit,
      bigEndian: syntax.bigEndian,
      limits,
    });
    const rest = held.subarray(found.end);
    held = Buffer.alloc(0);
    if (rest.length > 0) feed(rest);
  };

  const feed = (bytes: Buffer): void => {
    if (!meta!.syntax.deflated) {
      walker!.push(bytes);
      return;
    }
    deflatedBytes += bytes.length;
    if (deflatedBytes > MAX_DEFLATED)
      throw new Fault('tooLarge', 'The deflated dataset is larger than this server takes', { dicomReason: 0xa700 });
    deflated.push(bytes);
  };

  return {
    push: (chunk) => {
      if (meta) return feed(chunk);
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const found = readMeta(held, false);
      if (found) begin(found);
      else if (held.length > META_MAX) throw malformed('The file meta information is not closed');
    },
    end: async () => {
      if (!meta) {
        const found = readMeta(held, true);
        if (!found) throw malformed('The object ends within its file meta information');
        begin(found);
      }
      if (meta!.syntax.deflated) await inflateBounded(deflated, (bytes) => walker!.push(bytes));
      const { dataset, pixelData, bulk } = walker!.end();
      return { ...identityOf(meta!, dataset), dataset, datasetOffset: meta!.end, pixelData, bulk };
    },
  };
};

/** @returns undefined while more bytes are needed */
const readMeta = (bytes: Buffer, isAll: boolean): Meta | undefined => {
  if (bytes.length < PREAMBLE + 4) {
    if (isAll) throw malformed('The object is no DICOM file (PS3.10 §7.1)');
    return undefined;
  }
  if (bytes.toString('latin1', PREAMBLE, PREAMBLE + 4) !== 'DICM') throw malformed('The object is no DICOM file (PS3.10 §7.1)');
  let end = PREAMBLE + 4;
  for (;;) {
    if (bytes.length < end + 8) {
      if (isAll && bytes.length === end) break;
      if (isAll) throw malformed('The object ends within an element');
      return undefined;
    }
    if (bytes.readUInt16LE(end) !== 2) break;
    const long = ['OB', 'OW', 'UN', 'SQ', 'UT', 'UC', 'UR'].includes(bytes.toString('latin1', end + 4, end + 6));
    if (long && bytes.length < end + 12) {
      if (isAll) throw malformed('The object ends within an element');
      return undefined;
    }
    const length = long ? bytes.readUInt32LE(end + 8) : bytes.readUInt16LE(end + 6);
    end += (long ? 12 : 8) + length;
    if (end > META_MAX) throw malformed('The file meta information is not closed');
    if (bytes.length < end) {
      if (isAll) throw malformed('The object ends within its file meta information');
      return undefined;
    }
  }
  const walker = createDatasetWalker({ offset: PREAMBLE + 4, explicit: true, bigEndian: false, limits: DEFAULT_LIMITS });
  walker.push(bytes.subarray(PREAMBLE + 4, end));
  const { dataset } = walker.end();
  const uid = textOf(dataset, '00020010');
  if (uid === undefined) throw malformed('The file meta information names no transfer syntax');
  const syntax = findTransferSyntax(uid);
  if (!syntax)
    throw new Fault('unsupportedMedia', 'The transfer syntax is not supported', { dicomReason: TRANSFER_SYNTAX_NOT_SUPPORTED });
  return { syntax, dataset, end };
};

/** The dataset names the instance; file meta information that differs was left behind by some writer and is not believed. */
const identityOf = (meta: Meta, dataset: DicomJson) => {
  const uid = (tag: string, what: string): string => {
    const value = textOf(dataset, tag);
    if (value === undefined) throw refused(`The ${what} is missing`);
    if (!isUid(value)) throw refused(`The ${what} is not a valid UID (PS3.5 §9.1)`);
    return value;
  };
  if (textOf(meta.dataset, '00020002') === DICOMDIR) throw refused('A media directory is not an instance to be stored');
  return {
    transferSyntaxUid: meta.syntax.uid,
    sopClassUid: uid('00080016', 'SOP Class UID'),
    sopInstanceUid: uid('00080018', 'SOP Instance UID'),
    studyInstanceUid: uid('0020000D', 'Study Instance UID'),
    seriesInstanceUid: uid('0020000E', 'Series Instance UID'),
  };
};
