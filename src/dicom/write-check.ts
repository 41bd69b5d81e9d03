import { hasAmbiguousVr, tagOf, vrOf } from './dictionary.ts';
import { checkBytes, checkValues, DicomValueError } from './write-value.ts';

/** A dataset by keyword: values, lists of values, items, bytes; null or '' = present and empty. */
export type DicomKeywords = { readonly [keyword: string]: DicomValue };
export type DicomValue = string | number | null | Buffer | DicomKeywords | readonly (string | number | DicomKeywords)[];

export const UTF_8 = 'ISO_IR 192';

const isItem = (value: unknown): value is DicomKeywords =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);

/** @param signed whether stored pixel values are: US or SS attributes go by it (PS3.5 §A.1) */
const vrIn = (keyword: string, signed: boolean): string => {
  const tag = tagOf(keyword);
  const vr = tag && vrOf(tag);
  if (!vr) throw new DicomValueError(`${keyword} is no attribute of the dictionary`);
  // Below group 0008 are the command set, the file meta information and the DICOMDIR.
  if (tag < '0008') throw new DicomValueError(`${keyword} does not belong into a dataset`);
  return signed && vr === 'US' && hasAmbiguousVr(tag) ? 'SS' : vr;
};

const checkElement = (keyword: string, vr: string, value: unknown, signed: boolean): unknown => {
  if (value === null || value === '') return vr === 'SQ' ? [] : '';
  if (keyword === 'SpecificCharacterSet' && value !== UTF_8) throw new DicomValueError('Text is written in UTF-8 only');
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  if (vr === 'SQ') {
    if (!list.every(isItem)) throw new DicomValueError(`${keyword} takes items`);
    return list.map((item) => checkDataset(item, signed));
  }
  if (Buffer.isBuffer(value)) return checkBytes(keyword, vr, value);
  return checkValues(keyword, vr, list);
};

/**
 * Checks every value against its VR before the encoder sees it: it would cut, repair or drop what does not fit, without a word.
 *
 * @returns the dataset as the encoder takes it, with the VR of every attribute in `_vrMap`
 * @throws DicomValueError
 */
export const checkDataset = (dataset: DicomKeywords, signedAbove = false): Record<string, unknown> => {
  const signed = dataset.PixelRepresentation === undefined ? signedAbove : dataset.PixelRepresentation === 1;
  const vrs: Record<string, string> = {};
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(dataset)) {
    vrs[keyword] = vrIn(keyword, signed);
    result[keyword] = checkElement(keyword, vrs[keyword], value, signed);
  }
  return { ...result, _vrMap: vrs };
};
