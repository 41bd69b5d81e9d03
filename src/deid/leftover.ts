import type { DicomJson, PersonName } from '../dicom/json.ts';
import type { ReducedInstance } from './reduce.ts';

const NAMES = ['00100010', '00101001', '00101005', '00101060', '00080090', '00081048', '00081050', '00081070'];
const IDENTIFIERS = [
  '00100020',
  '00101000',
  '00080050',
  '00200010',
  '00100030',
  '00101040',
  '00102154',
  '0020000D',
  '0020000E',
  '00080018',
  '00400253',
  '00401001',
  '00080080',
  '00181000',
];
/** Shorter words are found everywhere by chance. */
const MIN_NAME = 3;
const MIN_IDENTIFIER = 4;

const folded = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toUpperCase();

/** Words by which this patient, and the staff named in the header, could be told. */
const identifiersOf = (dataset: DicomJson): Set<string> => {
  const words = new Set<string>();
  for (const tag of NAMES) {
    for (const name of (dataset[tag]?.Value ?? []) as PersonName[]) {
      for (const group of [name?.Alphabetic, name?.Ideographic, name?.Phonetic]) {
        for (const word of folded(group ?? '').split(/[\s^=,.]+/)) if (word.length >= MIN_NAME) words.add(word);
      }
    }
  }
  for (const tag of IDENTIFIERS) {
    for (const value of dataset[tag]?.Value ?? []) {
      const word = folded(String(value)).trim();
      if (word.length >= MIN_IDENTIFIER) words.add(word);
    }
  }
  return words;
};

/**
 * Looks whether something of the patient is left in what a model would get.
 *
 * @returns tags of the attributes in which it is; empty = none. Never the words themselves.
 */
export const findLeftovers = (dataset: DicomJson, instance: ReducedInstance): string[] => {
  const words = [...identifiersOf(dataset)];
  return Object.entries(instance.attributes)
    .filter(([, element]) => {
      const text = folded((element.Value ?? []).filter((value) => typeof value === 'string').join(' '));
      // A number written as text is geometry, not an identifier.
      return element.vr !== 'DS' && element.vr !== 'IS' && words.some((word) => text.includes(word));
    })
    .map(([tag]) => tag);
};
