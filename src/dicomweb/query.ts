import { tagOf, vrOf } from '../dicom/dictionary.ts';
import { isUid } from '../dicom/uid.ts';
import { Fault } from '../kernel/fault.ts';
import { searchName, searchText } from '../studies/normalise.ts';
import type { Level, Match, StudyQuery } from '../studies/ports.ts';

/** Attributes that can be matched, by tag: those the index has (PS3.18 table 10.6.1-5). */
const MATCHABLE = new Set(
  [
    [
      '0020000D',
      '00100020',
      '00100021',
      '00100010',
      '00100030',
      '00100040',
      '00080020',
      '00080030',
      '00080050',
      '00080090',
      '00200010',
      '00081030',
      '00080061',
    ],
    ['0020000E', '00080060', '00200011', '0008103E', '00180015', '00080021', '00080031', '00400244', '00400245', '00081010'],
    ['00080018', '00080016', '00200013', '00280010', '00280011', '00280008'],
  ].flat(),
);

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 5000;
const MAX_OFFSET = 10_000_000;

export interface ParsedQuery {
  readonly query: StudyQuery;
  /** tags to add to each row; `all` = everything the level has */
  readonly includeFields: ReadonlySet<string> | 'all';
  readonly fuzzy: boolean;
}

/** `PatientID` or `00100020` as a tag. */
const attribute = (name: string): string | undefined => (/^[0-9A-Fa-f]{8}$/.test(name) ? name.toUpperCase() : tagOf(name));

const range = (value: string, shape: RegExp): Match => {
  const [from, to, more] = value.split('-');
  if (more !== undefined || ![from, to].every((end) => end === undefined || end === '' || shape.test(end)))
    throw new Fault('badParameter', 'A date or time to be matched is malformed');
  if (to === undefined) return { kind: 'equals', value };
  if (!from && !to) throw new Fault('badParameter', 'A range needs at least one end');
  return { kind: 'range', from: from || undefined, to: to || undefined };
};

const wholeNumber = (value: string, name: string, max: number): number => {
  if (!/^\d{1,9}$/.test(value)) throw new Fault('badParameter', `${name} takes a whole number`);
  return Math.min(Number(value), max);
};

/** One key as a match; undefined = universal (PS3.4 §C.2.2.2.3). */
const matchOf = (tag: string, raw: string): Match | undefined => {
  const vr = vrOf(tag);
  if (vr === 'UI') {
    const values = raw.split(/[,\\]/).map((uid) => uid.trim());
    if (!values.every(isUid)) throw new Fault('badParameter', 'A UID to be matched is malformed');
    return values.length === 1 ? { kind: 'equals', value: values[0]! } : { kind: 'anyOf', values };
  }
  const value = vr === 'PN' ? searchName(searchText(raw)) : searchText(raw);
  if (value === '' || /^\*+$/.test(value)) return undefined;
  if (vr === 'DA') return range(value, /^\d{8}$/);
  if (vr === 'TM') return range(value, /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/);
  if (/[*?]/.test(value)) return { kind: 'wildcard', pattern: value };
  return value.includes('\\') ? { kind: 'anyOf', values: value.split('\\') } : { kind: 'equals', value };
};

/**
 * Parses a QIDO-RS query (PS3.18 §8.3.4, §10.6.1).
 *
 * @throws Fault `badParameter` naming an unknown parameter: a mistyped filter must never show every patient
 */
export const parseQuery = (
  level: Level,
  path: { study: string | undefined; series: string | undefined },
  parameters: URLSearchParams,
): ParsedQuery => {
  const matches = new Map<string, Match>();
  let includeFields: Set<string> | 'all' = new Set<string>();
  let [limit, offset, fuzzy] = [DEFAULT_LIMIT, 0, false];
  for (const [name, value] of parameters) {
    if (name === 'limit') limit = wholeNumber(value, 'limit', MAX_LIMIT);
    else if (name === 'offset') offset = wholeNumber(value, 'offset', MAX_OFFSET);
    else if (name === 'fuzzymatching') fuzzy = value === 'true';
    else if (name === 'accept') continue;
    else if (name === 'includefield') {
      for (const field of value.split(',')) {
        if (field === 'all') includeFields = 'all';
        else if (includeFields !== 'all') includeFields.add(attribute(field.trim()) ?? unknownAttribute(field));
      }
    } else {
      const tag = attribute(name);
      if (!tag || !MATCHABLE.has(tag)) throw new Fault('badParameter', `The parameter ${printable(name)} can not be matched`);
      if (matches.has(tag)) throw new Fault('badParameter', `The parameter ${printable(name)} is given twice`);
      const match = matchOf(tag, value);
      if (match) matches.set(tag, match);
    }
  }
  return {
    query: { level, studyInstanceUid: path.study, seriesInstanceUid: path.series, matches, limit, offset },
    includeFields,
    fuzzy,
  };
};

const printable = (name: string): string => name.replace(/[^A-Za-z0-9.]/g, '?').slice(0, 64);

const unknownAttribute = (name: string): never => {
  throw new Fault('badParameter', `The attribute ${printable(name)} is not known`);
};
