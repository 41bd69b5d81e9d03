import type { DecodeText } from './charset.ts';
import type { DicomElement, PersonName } from './json.ts';
import { trimUid } from './uid.ts';

const BINARY = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN']);
const SWAPPED: Readonly<Record<string, number>> = { OW: 2, OF: 4, OL: 4, OD: 8, OV: 8 };
const SINGLE_VALUED = new Set(['LT', 'ST', 'UT', 'UR']);
const TRIMMED = new Set(['AE', 'CS', 'DS', 'IS', 'DA', 'TM', 'DT', 'AS']);
/** More significant digits than a double keeps: such text stays text (PS3.18 §F.2.3). */
const MAX_DIGITS = 15;

export const isBinary = (vr: string): boolean => BINARY.has(vr);

/** Binary values are little endian in JSON (PS3.18 §F.2.7). */
const littleEndian = (bytes: Buffer, vr: string, bigEndian: boolean): Buffer => {
  const width = SWAPPED[vr];
  if (!bigEndian || !width || bytes.length % width !== 0) return bytes;
  const copy = Buffer.from(bytes);
  return width === 2 ? copy.swap16() : width === 4 ? copy.swap32() : copy.swap64();
};

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
const whole = (value: bigint): number | string =>
  value >= -0x1fffffffffffffn && value <= 0x1fffffffffffffn ? Number(value) : String(value);

type ReadNumber = (bytes: Buffer, at: number, bigEndian: boolean) => number | string | null;

const NUMBERS: Readonly<Record<string, readonly [width: number, read: ReadNumber]>> = {
  US: [2, (b, at, big) => (big ? b.readUInt16BE(at) : b.readUInt16LE(at))],
  SS: [2, (b, at, big) => (big ? b.readInt16BE(at) : b.readInt16LE(at))],
  UL: [4, (b, at, big) => (big ? b.readUInt32BE(at) : b.readUInt32LE(at))],
  SL: [4, (b, at, big) => (big ? b.readInt32BE(at) : b.readInt32LE(at))],
  FL: [4, (b, at, big) => finite(big ? b.readFloatBE(at) : b.readFloatLE(at))],
  FD: [8, (b, at, big) => finite(big ? b.readDoubleBE(at) : b.readDoubleLE(at))],
  SV: [8, (b, at, big) => whole(big ? b.readBigInt64BE(at) : b.readBigInt64LE(at))],
  UV: [8, (b, at, big) => whole(big ? b.readBigUInt64BE(at) : b.readBigUInt64LE(at))],
  AT: [
    4,
    (b, at, big) => {
      const group = big ? b.readUInt16BE(at) : b.readUInt16LE(at);
      const element = big ? b.readUInt16BE(at + 2) : b.readUInt16LE(at + 2);
      return (group * 65536 + element).toString(16).toUpperCase().padStart(8, '0');
    },
  ],
};

const trimEnd = (text: string): string => {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 0)) end--;
  return end === text.length ? text : text.slice(0, end);
};

/** A number when that loses nothing, else the text as it is; never NaN. */
const numeric = (text: string): number | string => {
  const value = Number(text);
  if (!Number.isFinite(value) || text === '') return text;
  const digits = text
    .replace(/[eE].*$/, '')
    .replace(/[^0-9]/g, '')
    .replace(/^0+/, '').length;
  return digits > MAX_DIGITS ? text : value;
};

const personName = (text: string): PersonName | null => {
  const [alphabetic, ideographic, phonetic] = text.split('=').map(trimEnd);
  const name = {
    ...(alphabetic ? { Alphabetic: alphabetic } : {}),
    ...(ideographic ? { Ideographic: ideographic } : {}),
    ...(phonetic ? { Phonetic: phonetic } : {}),
  };
  return Object.keys(name).length === 0 ? null : name;
};

const textValue = (text: string, vr: string): unknown => {
  const trimmed = TRIMMED.has(vr) ? trimEnd(text).trimStart() : vr === 'UI' ? trimUid(text) : trimEnd(text);
  if (trimmed === '') return null;
  if (vr === 'PN') return personName(trimmed);
  return vr === 'DS' || vr === 'IS' ? numeric(trimmed) : trimmed;
};

const ASCII_ONLY = new Set(['AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'TM', 'UI', 'UR']);

/**
 * One value field as a DICOM JSON element (PS3.18 §F.2).
 *
 * @param bytes value field, padding included
 */
export const elementOf = (vr: string, bytes: Buffer, bigEndian: boolean, decode: DecodeText): DicomElement => {
  if (bytes.length === 0) return { vr };
  if (BINARY.has(vr)) return { vr, InlineBinary: littleEndian(bytes, vr, bigEndian).toString('base64') };
  const numbers = NUMBERS[vr];
  if (numbers) {
    const [width, read] = numbers;
    const Value: unknown[] = [];
    for (let at = 0; at + width <= bytes.length; at += width) Value.push(read(bytes, at, bigEndian));
    return Value.length === 0 ? { vr } : { vr, Value };
  }
  const text = ASCII_ONLY.has(vr) ? bytes.toString('latin1') : decode(bytes, vr);
  const parts = SINGLE_VALUED.has(vr) || !text.includes('\\') ? [text] : text.split('\\');
  const Value = parts.map((part) => textValue(part, vr));
  return Value.length === 1 && Value[0] === null ? { vr } : { vr, Value };
};
