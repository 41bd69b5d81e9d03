import { hasControlCharacters } from './control-characters.ts';
import { tagOf, vrOf } from './dictionary.ts';
import { isUid } from './uid.ts';

/** A dataset by keyword: values, lists of values, items, bytes; null or '' = present and empty. */
export type DicomKeywords = { readonly [keyword: string]: DicomValue };
export type DicomValue = string | number | null | Buffer | DicomKeywords | readonly (string | number | DicomKeywords)[];

/** A value that must not be written. Its message names the attribute, never the value. */
export class DicomValueError extends Error {
  override readonly name = 'DicomValueError';
}

/**
 * DS text of a number: at most 16 characters with the precision that fits (PS3.5 §6.2).
 *
 * @throws DicomValueError for what is not finite
 */
export const formatDecimalString = (value: number): string => {
  if (!Number.isFinite(value)) throw new DicomValueError('A decimal string must be finite');
  const plain = String(Object.is(value, -0) ? 0 : value);
  if (plain.length <= 16) return plain;
  for (let precision = 16; precision > 0; precision--) {
    for (const text of [value.toPrecision(precision), value.toExponential(precision - 1)]) if (text.length <= 16) return text;
  }
  throw new DicomValueError('A decimal string does not fit 16 characters');
};

const PATTERNS: Readonly<Record<string, RegExp>> = {
  AE: /^[\x20-\x5b\x5d-\x7e]{1,16}$/,
  AS: /^\d{3}[DWMY]$/,
  CS: /^[A-Z0-9_ ]{1,16}$/,
  DA: /^\d{8}$/,
  DS: /^ *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *$/,
  DT: /^\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?$/,
  IS: /^[+-]?\d{1,10}$/,
  TM: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/,
};
const MAX_LENGTH: Readonly<Record<string, number>> = { LO: 64, SH: 16, ST: 1024, LT: 10_240, DS: 16, IS: 12, PN: 324 };
const INTEGERS: Readonly<Record<string, readonly [number, number]>> = {
  US: [0, 65_535],
  SS: [-32_768, 32_767],
  UL: [0, 4_294_967_295],
  SL: [-2_147_483_648, 2_147_483_647],
};

const checkText = (keyword: string, vr: string, text: string): void => {
  if (text === '') return;
  if (vr === 'UI' && !isUid(text)) throw new DicomValueError(`${keyword} is not a valid UID`);
  const pattern = PATTERNS[vr];
  if (pattern && !pattern.test(text)) throw new DicomValueError(`${keyword} does not have the form of ${vr}`);
  if ([...text].length > (MAX_LENGTH[vr] ?? Number.POSITIVE_INFINITY))
    throw new DicomValueError(`${keyword} is longer than ${vr} allows`);
  if (['LO', 'SH', 'PN', 'UC'].includes(vr) && (text.includes('\\') || hasControlCharacters(text)))
    throw new DicomValueError(`${keyword} holds a character that ${vr} does not allow`);
};

const checked = (keyword: string, vr: string, value: string | number): string | number => {
  if (typeof value === 'string') {
    checkText(keyword, vr, value);
    return value;
  }
  if (vr === 'DS') return formatDecimalString(value);
  if (vr === 'IS') {
    if (!Number.isInteger(value)) throw new DicomValueError(`${keyword} takes a whole number`);
    checkText(keyword, vr, String(value));
    return String(value);
  }
  const range = INTEGERS[vr];
  if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1]))
    throw new DicomValueError(`${keyword} is outside the range of ${vr}`);
  if (!range && !(['FD', 'FL'].includes(vr) && Number.isFinite(value)))
    throw new DicomValueError(`${keyword} takes no such number`);
  return value;
};

/**
 * Checks every value against its VR before an encoder sees it: encoders cut, repair or drop what does not fit, without a word.
 *
 * @returns the dataset with numbers of DS and IS as text
 * @throws DicomValueError
 */
export const checkDataset = (dataset: DicomKeywords): Record<string, unknown> => {
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(dataset)) {
    const tag = tagOf(keyword);
    const vr = tag && vrOf(tag);
    if (!vr) throw new DicomValueError(`${keyword} is no attribute of the dictionary`);
    if (value === null || value === '') result[keyword] = vr === 'SQ' ? [] : '';
    else if (Buffer.isBuffer(value)) result[keyword] = value.buffer.slice(value.byteOffset, value.byteOffset + value.length);
    else if (vr === 'SQ')
      result[keyword] = (Array.isArray(value) ? value : [value]).map((item) => checkDataset(item as DicomKeywords));
    else if (Array.isArray(value)) result[keyword] = value.map((one) => checked(keyword, vr, one as string | number));
    else if (typeof value === 'object') throw new DicomValueError(`${keyword} takes no item`);
    else result[keyword] = checked(keyword, vr, value);
  }
  return result;
};
