import { Fault } from '../kernel/fault.ts';
import { createTextDecoder, type DecodeText } from './charset.ts';
import { hasAmbiguousVr, vrOf } from './dictionary.ts';
import type { BulkValue, PixelDataLocation } from './header.ts';
import { type DicomElement, type DicomJson, numberOf, textsOf } from './json.ts';
import { elementOf, isBinary } from './value.ts';

export interface HeaderLimits {
  /** nested sequences */
  readonly maxDepth: number;
  readonly maxElements: number;
  /** a longer value becomes a bulk reference and is skipped, bytes */
  readonly maxInlineBytes: number;
  /** a longer binary value becomes a bulk reference, bytes */
  readonly maxInlineBinary: number;
  /** sum of all inlined values, bytes */
  readonly maxHeaderBytes: number;
}

export const DEFAULT_LIMITS: HeaderLimits = {
  maxDepth: 64,
  maxElements: 200_000,
  maxInlineBytes: 64 * 1024,
  maxInlineBinary: 1024,
  maxHeaderBytes: 32 << 20,
};

export interface DatasetWalker {
  readonly push: (chunk: Buffer) => void;
  /** @throws Fault `malformed` when the dataset is not closed */
  readonly end: () => {
    readonly dataset: DicomJson;
    readonly pixelData: PixelDataLocation | undefined;
    readonly bulk: readonly BulkValue[];
  };
}

/** 0xC000: cannot understand (PS3.18 §I.2.2) */
export const malformed = (message: string): Fault => new Fault('malformed', message, { dicomReason: 0xc000 });
/** 0xA900: the dataset does not match what it claims to be */
export const refused = (message: string): Fault => new Fault('malformed', message, { dicomReason: 0xa900 });
const outOfResources = (message: string): Fault => new Fault('tooLarge', message, { dicomReason: 0xa700 });

const UNDEFINED = 0xffffffff;
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const PIXEL_DATA = 0x7fe00010;
const PIXEL_TAGS = new Set([PIXEL_DATA, 0x7fe00008, 0x7fe00009]);
const LONG_LENGTH = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const KNOWN = new Set([
  ...LONG_LENGTH,
  'AE',
  'AS',
  'AT',
  'CS',
  'DA',
  'DS',
  'DT',
  'FD',
  'FL',
  'IS',
  'LO',
  'LT',
  'PN',
  'SH',
  'SL',
  'SS',
  'ST',
  'TM',
  'UI',
  'UL',
  'US',
]);

const VR_TEXT: string[] = [];
for (const vr of KNOWN) VR_TEXT[vr.charCodeAt(0) | (vr.charCodeAt(1) << 8)] = vr;

const hex = (tag: number): string => tag.toString(16).toUpperCase().padStart(8, '0');

/** A dataset (the object's own or an item's) or the list of items of a sequence, still open. */
interface Open {
  readonly kind: 'dataset' | 'sequence';
  /** absolute; Infinity = closed by a delimiter */
  readonly end: number;
  readonly dataset: DicomJson;
  readonly items: DicomJson[];
  /** of a sequence: gets its Value with the first item */
  readonly element?: { Value?: DicomJson[] };
  readonly path: string;
  readonly explicit: boolean;
  readonly bigEndian: boolean;
  decode: DecodeText;
}

interface WalkerOptions {
  /** absolute position of the first byte pushed */
  readonly offset: number;
  readonly explicit: boolean;
  readonly bigEndian: boolean;
  readonly limits: HeaderLimits;
}

/**
 * An incremental parser of PS3.5 §7 with its own stack: it stops wherever a chunk ends and goes on from there, so nothing is
 * parsed twice and nesting costs no call stack. Of a repeated attribute the first value counts.
 */
export const createDatasetWalker = ({ offset, explicit, bigEndian, limits }: WalkerOptions): DatasetWalker => {
  const root: DicomJson = {};
  const bulk: BulkValue[] = [];
  const stack: Open[] = [
    {
      kind: 'dataset',
      end: Number.POSITIVE_INFINITY,
      dataset: root,
      items: [],
      path: '',
      explicit,
      bigEndian,
      decode: createTextDecoder([]),
    },
  ];
  let pixelData: PixelDataLocation | undefined;
  let held: Buffer = Buffer.alloc(0);
  let position = offset;
  let at = 0;
  let skip = 0;
  let fragments = false;
  let trailing = false;
  let elements = 0;
  let inlined = 0;

  const top = (): Open => stack[stack.length - 1]!;

  const open = (frame: Open): void => {
    if (stack.length >= limits.maxDepth * 2) throw malformed('Sequences are nested too deeply');
    stack.push(frame);
  };

  const close = (): void => {
    while (stack.length > 1 && position >= top().end) {
      if (position > top().end) throw malformed('An element reaches beyond the sequence it lies in');
      stack.pop();
    }
  };

  const consume = (bytes: number): void => {
    at += bytes;
    position += bytes;
  };

  const skipValue = (length: number): void => {
    const here = Math.min(length, held.length - at);
    consume(here);
    skip = length - here;
  };

  /** @returns false when more bytes are needed */
  const itemHeader = (context: Open): boolean => {
    if (held.length - at < 8) return false;
    const tag = readTag(held, at, context.bigEndian);
    const length = context.bigEndian ? held.readUInt32BE(at + 4) : held.readUInt32LE(at + 4);
    consume(8);
    if (tag === SEQUENCE_END) {
      if (context.end !== Number.POSITIVE_INFINITY) throw malformed('A sequence is closed before its length');
      stack.pop();
      close();
      return true;
    }
    if (tag !== ITEM) throw malformed('A sequence holds something else than items');
    const end = length === UNDEFINED ? Number.POSITIVE_INFINITY : position + length;
    if (end !== Number.POSITIVE_INFINITY && end > context.end) throw malformed('An item reaches beyond its sequence');
    const item: DicomJson = {};
    if (context.items.push(item) === 1) context.element!.Value = context.items;
    open({ ...context, kind: 'dataset', end, dataset: item, items: [], path: `${context.path}/${context.items.length}/` });
    close();
    return true;
  };

  const fragmentHeader = (context: Open): boolean => {
    if (held.length - at < 8) return false;
    const tag = readTag(held, at, context.bigEndian);
    const length = context.bigEndian ? held.readUInt32BE(at + 4) : held.readUInt32LE(at + 4);
    consume(8);
    if (tag === SEQUENCE_END) {
      fragments = false;
      close();
    } else if (tag === ITEM && length !== UNDEFINED) skipValue(length);
    else throw malformed('Encapsulated pixel data holds something else than fragments');
    return true;
  };

  const vrOfElement = (tag: number, context: Open): string => {
    const tagText = hex(tag);
    if ((tag & 0xffff) === 0) return 'UL';
    if (((tag >>> 16) & 1) === 1) return (tag & 0xffff) >= 0x10 && (tag & 0xffff) <= 0xff ? 'LO' : 'UN';
    const vr = vrOf(tagText) ?? 'UN';
    if (vr === 'US' && hasAmbiguousVr(tagText))
      return numberOf(context.dataset, '00280103') === 1 || numberOf(root, '00280103') === 1 ? 'SS' : 'US';
    return vr;
  };

  /** UN of a known attribute is read as what the dictionary says: such a value is implicit little endian (PS3.5 §6.2.2). */
  const known = (tag: number, vr: string, length: number): string => {
    if (vr !== 'UN' || ((tag >>> 16) & 1) === 1) return vr === 'UN' && length === UNDEFINED ? 'SQ' : vr;
    const found = vrOf(hex(tag));
    return found && (length !== UNDEFINED || found === 'SQ') ? found : length === UNDEFINED ? 'SQ' : vr;
  };

  const sequence = (context: Open, tag: number, length: number, wasUnknown: boolean): void => {
    const end = length === UNDEFINED ? Number.POSITIVE_INFINITY : position + length;
    if (end !== Number.POSITIVE_INFINITY && end > context.end) throw malformed('A sequence reaches beyond the item it lies in');
    const items: DicomJson[] = [];
    const name = hex(tag);
    const element: { vr: string; Value?: DicomJson[] } = { vr: 'SQ' };
    if (!(name in context.dataset)) context.dataset[name] = element;
    const reading = wasUnknown
      ? { explicit: false, bigEndian: false }
      : { explicit: context.explicit, bigEndian: context.bigEndian };
    open({ kind: 'sequence', end, dataset: {}, items, element, path: context.path + name, decode: context.decode, ...reading });
    close();
  };

  const bulkValue = (context: Open, tag: number, vr: string, length: number | undefined): void => {
    const name = hex(tag);
    const path = context.path + name;
    if (name in context.dataset) return;
    context.dataset[name] = { vr, BulkDataURI: path };
    bulk.push({ path, vr, offset: position, length });
    if (stack.length === 1 && PIXEL_TAGS.has(tag)) pixelData = { tag: name, vr, offset: position, length };
  };

  const inlineValue = (context: Open, tag: number, vr: string, bytes: Buffer, bytesBigEndian: boolean): void => {
    inlined += bytes.length;
    if (inlined > limits.maxHeaderBytes) throw outOfResources('The attributes of the object are larger than this server takes');
    const name = hex(tag);
    if ((tag & 0xffff) === 0 || name in context.dataset) return;
    const element: DicomElement = elementOf(vr, bytes, bytesBigEndian, context.decode);
    context.dataset[name] = element;
    if (tag === 0x00080005) context.decode = createTextDecoder(textsOf(context.dataset, name));
  };

  const beginFragments = (context: Open, tag: number, vr: string): void => {
    if (tag !== PIXEL_DATA || !(vr === 'OB' || vr === 'OW'))
      throw malformed('A value of this kind can not have undefined length');
    bulkValue(context, tag, vr, undefined);
    fragments = true;
  };

  /** @returns false when more bytes are needed: nothing was consumed */
  const element = (context: Open): boolean => {
    if (held.length - at < 8) return false;
    const tag = readTag(held, at, context.bigEndian);
    if (tag === ITEM_END || tag === SEQUENCE_END) {
      if (tag === SEQUENCE_END || stack.length === 1 || context.end !== Number.POSITIVE_INFINITY)
        throw malformed('A delimiter stands where no item is open');
      consume(8);
      stack.pop();
      close();
      return true;
    }
    if (tag >>> 16 === 0 && stack.length === 1) {
      trailing = true;
      return true;
    }
    const head = elementHead(context, tag);
    if (!head) return false;
    const { vr: written, length, bytes } = head;
    const vr = known(tag, written, length);
    const binary = isBinary(vr);
    const isBulk = PIXEL_TAGS.has(tag) || length > (binary ? limits.maxInlineBinary : limits.maxInlineBytes);
    if (vr !== 'SQ' && length !== UNDEFINED && !isBulk && held.length - at < bytes + length) return false;
    if (++elements > limits.maxElements) throw outOfResources('The object has more attributes than this server takes');
    consume(bytes);
    if (vr === 'SQ') sequence(context, tag, length, written === 'UN');
    else if (length === UNDEFINED) beginFragments(context, tag, vr);
    else {
      if (position + length > context.end) throw malformed('An element reaches beyond the item it lies in');
      if (isBulk) {
        bulkValue(context, tag, vr, length);
        skipValue(length);
      } else {
        inlineValue(context, tag, vr, held.subarray(at, at + length), written === 'UN' ? false : context.bigEndian);
        consume(length);
      }
      if (skip === 0) close();
    }
    return true;
  };

  const elementHead = (context: Open, tag: number): { vr: string; length: number; bytes: number } | undefined => {
    if (!context.explicit) {
      return {
        vr: vrOfElement(tag, context),
        length: context.bigEndian ? held.readUInt32BE(at + 4) : held.readUInt32LE(at + 4),
        bytes: 8,
      };
    }
    const vr = VR_TEXT[held[at + 4]! | (held[at + 5]! << 8)];
    if (!vr) throw malformed('An element has no known value representation');
    if (!LONG_LENGTH.has(vr))
      return { vr, length: context.bigEndian ? held.readUInt16BE(at + 6) : held.readUInt16LE(at + 6), bytes: 8 };
    if (held.length - at < 12) return undefined;
    return { vr, length: context.bigEndian ? held.readUInt32BE(at + 8) : held.readUInt32LE(at + 8), bytes: 12 };
  };

  const step = (): boolean => {
    const context = top();
    if (fragments) return fragmentHeader(context);
    return context.kind === 'sequence' ? itemHeader(context) : element(context);
  };

  const push = (chunk: Buffer): void => {
    if (skip > 0) {
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      position += skipped;
      if (skip > 0) return;
      if (!fragments) close();
      chunk = chunk.subarray(skipped);
    }
    held = at === held.length ? chunk : Buffer.concat([held.subarray(at), chunk]);
    at = 0;
    while (skip === 0 && !trailing && at < held.length && step());
    if (trailing) {
      // Zeros after the last element are padding. After the pixels anything is: such bytes are kept with the object, not read.
      if (!pixelData)
        for (let index = at; index < held.length; index++)
          if (held[index] !== 0) throw malformed('Bytes follow the end of the dataset');
      at = held.length;
    }
  };

  return {
    push,
    end: () => {
      if (skip > 0 || fragments || at < held.length) throw malformed('The object ends within an element');
      if (stack.length > 1) throw malformed('The object ends within a sequence');
      return { dataset: root, pixelData, bulk };
    },
  };
};

const readTag = (bytes: Buffer, at: number, bigEndian: boolean): number =>
  bigEndian
    ? bytes.readUInt16BE(at) * 65536 + bytes.readUInt16BE(at + 2)
    : bytes.readUInt16LE(at) * 65536 + bytes.readUInt16LE(at + 2);
