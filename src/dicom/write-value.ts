import { isUid } from './uid.ts';

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

const isDate = (text: string): boolean => {
  const [year, month, day] = [text.slice(0, 4), text.slice(4, 6) || '01', text.slice(6, 8) || '01'].map(Number) as [
    number,
    number,
    number,
  ];
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
};
/** A second of 60 is a leap second (PS3.5 §6.2). */
const isTime = (text: string): boolean =>
  Number(text.slice(0, 2)) < 24 && Number(text.slice(2, 4)) < 60 && Number(text.slice(4, 6)) <= 60;
const isDateTime = (text: string): boolean => {
  const [clock, offset] = [text.replace(/[+-]\d{4}$/, ''), /[+-]\d{4}$/.exec(text)?.[0]];
  const minutes = Number(offset?.slice(1, 3) ?? 0) * 60 + Number(offset?.slice(3) ?? 0);
  return (
    isDate(clock.slice(0, 8)) &&
    isTime(clock.slice(8)) &&
    Number(offset?.slice(3) ?? 0) < 60 &&
    minutes <= (offset?.startsWith('-') ? 720 : 840)
  );
};
const isName = (text: string): boolean => {
  const groups = text.split('=');
  return groups.length <= 3 && groups.every((group) => [...group].length <= 64 && group.split('^').length <= 5);
};
const isInteger32 = (text: string): boolean => Number(text) >= -(2 ** 31) && Number(text) < 2 ** 31;

interface TextForm {
  readonly pattern?: RegExp;
  /** characters of one value */
  readonly longest?: number;
  readonly holds?: (text: string) => boolean;
  /** the value may have lines; a backslash is text (PS3.5 §6.2) */
  readonly prose?: boolean;
}

const TEXT: Readonly<Record<string, TextForm>> = {
  AE: { pattern: /^[\x20-\x5b\x5d-\x7e]{1,16}$/ },
  AS: { pattern: /^\d{3}[DWMY]$/ },
  CS: { pattern: /^[A-Z0-9_ ]{1,16}$/ },
  DA: { pattern: /^\d{8}$/, holds: isDate },
  DS: {
    pattern: /^ *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *$/,
    longest: 16,
    holds: (text) => Number.isFinite(Number(text)),
  },
  DT: { pattern: /^\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?$/, holds: isDateTime },
  IS: { pattern: /^ *[+-]?\d+ *$/, longest: 12, holds: isInteger32 },
  LO: { longest: 64 },
  LT: { longest: 10_240, prose: true },
  PN: { holds: isName },
  SH: { longest: 16 },
  ST: { longest: 1024, prose: true },
  TM: { pattern: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/, holds: isTime },
  UC: {},
  UI: { holds: isUid },
  UR: { pattern: /^[\x21-\x7e]+$/, prose: true },
  UT: { prose: true },
};

/** Bytes of a number of the VR. */
const WIDTHS: Readonly<Record<string, number>> = { AT: 4, FD: 8, FL: 4, SL: 4, SS: 2, UL: 4, US: 2 };
/** VRs whose length field has 32 bits (PS3.5 §7.1.2); the others hold 65534 bytes. */
const LONG = new Set(['UC', 'UR', 'UT']);
const SHORT_MAX_BYTES = 65_534;

const NUMBERS: Readonly<Record<string, (value: number) => boolean>> = {
  US: (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
  SS: (value) => Number.isInteger(value) && value >= -32_768 && value <= 32_767,
  UL: (value) => Number.isInteger(value) && value >= 0 && value <= 4_294_967_295,
  SL: (value) => Number.isInteger(value) && value >= -2_147_483_648 && value <= 2_147_483_647,
  FL: (value) => Number.isFinite(Math.fround(value)),
  FD: Number.isFinite,
};

/** Bytes of one unit of a VR that takes bytes; words are padded to even length by the encoder. */
const BYTES: Readonly<Record<string, number>> = { OB: 1, OW: 1, UN: 1, OF: 4, OL: 4, OD: 8, OV: 8 };

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for; prose keeps tab and the line ends
const CONTROL = { prose: /[\0-\x08\x0b\x0e-\x1f\x7f]/, line: /[\0-\x1f\x7f\\]/ };

const checkText = (keyword: string, vr: string, form: TextForm, text: string): string => {
  if (text === '') return text;
  if (!text.isWellFormed() || (form.prose ? CONTROL.prose : CONTROL.line).test(text))
    throw new DicomValueError(`${keyword} holds a character that ${vr} does not allow`);
  if ([...text].length > (form.longest ?? Number.POSITIVE_INFINITY))
    throw new DicomValueError(`${keyword} is longer than ${vr} allows`);
  if (form.pattern?.test(text) === false || form.holds?.(text) === false)
    throw new DicomValueError(`${keyword} does not have the form of ${vr}`);
  return text;
};

const TAG = /^[0-9A-Fa-f]{8}$/;

/** Numbers of DS and IS become text, a tag of AT its number. */
const checkValue = (keyword: string, vr: string, value: unknown): string | number => {
  const form = TEXT[vr];
  if (form && typeof value === 'string') return checkText(keyword, vr, form, value);
  if (vr === 'DS' && typeof value === 'number') {
    if (!Number.isFinite(value)) throw new DicomValueError(`${keyword} takes a finite number`);
    return formatDecimalString(value);
  }
  if (vr === 'IS' && typeof value === 'number') {
    if (!Number.isInteger(value)) throw new DicomValueError(`${keyword} takes a whole number`);
    return checkText(keyword, vr, TEXT.IS!, String(value));
  }
  if (vr === 'AT' && typeof value === 'string' && TAG.test(value)) return Number.parseInt(value, 16);
  if (typeof value === 'number' && NUMBERS[vr]?.(value)) return value;
  throw new DicomValueError(`${keyword} takes no such value`);
};

/**
 * The values of one attribute as the encoder takes them.
 *
 * @throws DicomValueError
 */
export const checkValues = (keyword: string, vr: string, values: readonly unknown[]): (string | number)[] => {
  if (values.length > 1 && TEXT[vr]?.prose) throw new DicomValueError(`${keyword} takes one value`);
  const checked = values.map((value) => checkValue(keyword, vr, value));
  const sizeBytes = checked.reduce(
    (sum: number, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) + 1 : (WIDTHS[vr] ?? 0)),
    -1,
  );
  if (sizeBytes > SHORT_MAX_BYTES && !LONG.has(vr)) throw new DicomValueError(`${keyword} holds more values than ${vr} can`);
  return checked;
};

/**
 * Bytes as the encoder takes them.
 *
 * @throws DicomValueError when the VR takes no bytes, or not so many
 */
export const checkBytes = (keyword: string, vr: string, bytes: Buffer): ArrayBuffer => {
  const width = BYTES[vr];
  if (width === undefined || bytes.length % width !== 0) throw new DicomValueError(`${keyword} takes no such bytes`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
};
