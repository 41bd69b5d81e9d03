import { tagOf, vrOf } from '../dicom/dictionary.ts';
import { isUid } from '../dicom/uid.ts';
import { Fault } from '../kernel/fault.ts';
import { searchName, searchText } from '../studies/normalise.ts';
import type { Level, Match, StudyQuery } from '../studies/ports.ts';

/** Attributes that can be matched, by level: those the index has (PS3.18 table 10.6.1-5). A search answers with them too. */
export const INDEXED: Readonly<Record<Level, readonly string[]>> = {
  study: [
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
  series: [
    '0020000E',
    '00080060',
    '00200011',
    '0008103E',
    '00180015',
    '00080021',
    '00080031',
    '00400244',
    '00400245',
    '00081010',
  ],
  instance: ['00080018', '00080016', '00200013', '00280010', '00280011', '00280008'],
};

const MATCHABLE = new Set(Object.values(INDEXED).flat());

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 5000;
const MAX_OFFSET = 10_000_000;

export interface ParsedQuery {
  readonly query: StudyQuery;
  /** tags to add to each row; `all` = everything the level has */
  readonly includeFields: ReadonlySet<string> | 'all';
  /** parameters that are known and not honoured, in the words of PS3.18 §8.3.4.2 */
  readonly warnings: readonly string[];
}

/** Ways of matching that are asked for by a parameter and answered by literal matching. */
const UNSUPPORTED = new Set(['fuzzymatching', 'emptyvaluematching', 'multiplevaluematching']);

/** `PatientID` or `00100020` as a tag; what lies within a sequence is named with dots (PS3.18 §8.3.4.1). */
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
    if (raw.trim() === '' || raw === '*') return undefined;
    const values = raw.split(/[,\\]/).map((uid) => uid.trim());
    if (!values.every(isUid)) throw new Fault('badParameter', 'A UID to be matched is malformed');
    return values.length === 1 ? { kind: 'equals', value: values[0]! } : { kind: 'anyOf', values };
  }
  const value = vr === 'PN' ? searchName(searchText(raw)) : searchText(raw);
  if (value === '' || /^\*+$/.test(value)) return undefined;
  if (vr === 'DA') return range(value, /^\d{8}$/);
  if (vr === 'TM') {
    const match = range(value, /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/);
    // A time of less precision stands for all of its hour, minute or second.
    return match.kind === 'equals' ? { kind: 'range', from: match.value, to: match.value } : match;
  }
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
  let [limit, offset] = [DEFAULT_LIMIT, 0];
  const warnings: string[] = [];
  for (const [name, value] of parameters) {
    if (name === 'limit') limit = wholeNumber(value, 'limit', MAX_LIMIT);
    else if (name === 'offset') offset = wholeNumber(value, 'offset', MAX_OFFSET);
    else if (UNSUPPORTED.has(name)) warnings.push(...unsupported(name, value));
    else if (name === 'accept') continue;
    else if (name === 'includefield') {
      for (const field of value.split(',').map((text) => text.trim())) {
        if (field === 'all') includeFields = 'all';
        else if (field !== '' && includeFields !== 'all') for (const tag of includable(field)) includeFields.add(tag);
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
    warnings,
  };
};

const printable = (name: string): string => name.replace(/[^A-Za-z0-9.]/g, '?').slice(0, 64);

/** A sequence is given as a whole, whichever of its attributes is asked for; a private attribute with its creator. */
const includable = (field: string): string[] => {
  const [tag, ...inner] = field.split('.').map(attribute);
  if (tag === undefined || inner.includes(undefined))
    throw new Fault('badParameter', `The attribute ${printable(field)} is not known`);
  const isPrivate = Number.parseInt(tag[3]!, 16) % 2 === 1 && tag.slice(4, 6) !== '00';
  return isPrivate ? [`${tag.slice(0, 4)}00${tag.slice(4, 6)}`, tag] : [tag];
};

const unsupported = (name: string, value: string): string[] => {
  if (value !== 'true' && value !== 'false') throw new Fault('badParameter', `${name} is true or false`);
  return value === 'true' ? [`The ${name} parameter is not supported. Only literal matching has been performed.`] : [];
};
