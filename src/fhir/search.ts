import { getSearchParameter } from '@medplum/core';
import { Fault } from '../kernel/fault.ts';
import { decimalSpan, parseDate } from './dates.ts';
import { loadDefinitions } from './definitions.ts';
import { normalise } from './extract.ts';
import { type Criterion, paramKey, type SearchTable, type SearchValue, type SortKey } from './store.ts';

const TABLE: Readonly<Record<string, SearchTable>> = {
  token: 'ix_token',
  string: 'ix_string',
  date: 'ix_range',
  number: 'ix_range',
  quantity: 'ix_range',
  reference: 'ix_reference',
  uri: 'ix_uri',
};
const COMPARATOR = /^(eq|ne|gt|ge|lt|le|sa|eb|ap)(?=[\d+-])/;
export const DEFAULT_COUNT = 50;
export const MAX_COUNT = 1000;

export interface ParsedSearch {
  readonly criteria: readonly Criterion[];
  readonly sort: readonly SortKey[];
  readonly count: number;
  readonly summaryCount: boolean;
  readonly total: boolean;
  readonly include: readonly { readonly type: string; readonly code: string; readonly target: string | undefined }[];
  readonly revinclude: readonly { readonly type: string; readonly code: string }[];
  readonly cursor: string | undefined;
  /** what was really used, for Bundle.link self */
  readonly used: readonly (readonly [string, string])[];
}

/** Splits at commas that are not escaped, and unescapes (R4 search §3.1.1.4.14). */
const alternatives = (value: string): string[] => value.split(/(?<!\\),/);
const unescapedText = (text: string): string => text.replace(/\\([,|$\\])/g, '$1');

const ranged = (text: string, span: (rest: string) => { low: number; high: number }): Extract<SearchValue, { kind: 'range' }> => {
  const comparator = COMPARATOR.exec(text)?.[1] ?? 'eq';
  return { kind: 'range', comparator, ...span(text.replace(COMPARATOR, '')) };
};

const decimal = (text: string): { low: number; high: number } => {
  const span = decimalSpan(text);
  if (!span) throw new Fault('badParameter', 'A number in the search is malformed');
  return span;
};

const token = (text: string): SearchValue => {
  const bar = text.search(/(?<!\\)\|/);
  if (bar < 0) return { kind: 'token', system: undefined, code: unescapedText(text) };
  const code = unescapedText(text.slice(bar + 1));
  return { kind: 'token', system: unescapedText(text.slice(0, bar)), code: code === '' ? undefined : code };
};

const reference = (text: string, modifier: string | undefined, base: string): SearchValue => {
  const own = text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text;
  const match = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/.*)?$/.exec(own);
  if (match) return { kind: 'reference', type: match[1], id: match[2]! };
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(own)) return { kind: 'reference', type: modifier, id: own };
  return { kind: 'reference', type: '', id: own };
};

const quantity = (text: string): SearchValue => {
  const [number, system, code] = text.split(/(?<!\\)\|/);
  return {
    ...ranged(number!, decimal),
    ...(system ? { system: unescapedText(system) } : {}),
    ...(code ? { code: unescapedText(code) } : {}),
  };
};

const unsupported = (name: string): Fault => new Fault('badParameter', `The modifier of ${printable(name)} is not supported`);
const printable = (name: string): string => name.replace(/[^A-Za-z0-9_:.-]/g, '?').slice(0, 64);

const parseValue = (kind: string, text: string, modifier: string | undefined, name: string, base: string): SearchValue => {
  switch (kind) {
    case 'token':
      if (modifier !== undefined && modifier !== 'not') throw unsupported(name);
      return token(text);
    case 'string':
      if (modifier !== undefined && modifier !== 'exact' && modifier !== 'contains') throw unsupported(name);
      return {
        kind: 'string',
        text: modifier === 'exact' ? unescapedText(text) : normalise(unescapedText(text)),
        match: modifier ?? 'prefix',
      };
    case 'date':
      if (modifier !== undefined) throw unsupported(name);
      return ranged(text, parseDate);
    case 'number':
      if (modifier !== undefined) throw unsupported(name);
      return ranged(text, decimal);
    case 'quantity':
      if (modifier !== undefined) throw unsupported(name);
      return quantity(text);
    case 'reference':
      if (modifier !== undefined && !/^[A-Z]/.test(modifier)) throw unsupported(name);
      return reference(text, modifier, base);
    default:
      if (modifier !== undefined) throw unsupported(name);
      return { kind: 'uri', value: unescapedText(text) };
  }
};

/** @returns undefined when the type has no such parameter */
const criterionOf = (type: string, name: string, value: string, base: string): Criterion | undefined => {
  const [code, modifier] = name.split(':', 2) as [string, string | undefined];
  if (code === '_id') return { on: 'id', ids: alternatives(value) };
  if (code === '_lastUpdated') return { on: 'updated', values: alternatives(value).map((text) => ranged(text, parseDate)) };
  const parameter = getSearchParameter(type, code);
  const table = TABLE[parameter?.type ?? ''];
  if (!parameter || !table || code.startsWith('_') || code.includes('.')) return undefined;
  const param = paramKey(type, code);
  if (modifier === 'missing')
    return { on: 'index', table, param, values: [{ kind: 'missing', missing: value === 'true' }], negated: false };
  const values = alternatives(value).map((text) => parseValue(parameter.type, text, modifier, name, base));
  return { on: 'index', table, param, values, negated: modifier === 'not' };
};

const sortKeys = (type: string, value: string): SortKey[] =>
  value.split(',').map((field): SortKey => {
    const descending = field.startsWith('-');
    const code = field.replace(/^-/, '');
    if (code === '_lastUpdated') return { by: 'updated', descending };
    if (code === '_id') return { by: 'id', descending };
    const table = TABLE[getSearchParameter(type, code)?.type ?? ''];
    if (table !== 'ix_range' && table !== 'ix_string' && table !== 'ix_token')
      throw new Fault('badParameter', `Results can not be sorted by ${printable(code)}`);
    return { by: { table, param: paramKey(type, code) }, descending };
  });

const includeOf = (value: string): { type: string; code: string; target: string | undefined } => {
  const [type, code, target] = value.split(':');
  if (!type || !code || getSearchParameter(type, code)?.type !== 'reference')
    throw new Fault('badParameter', 'An _include or _revinclude names no reference parameter');
  return { type, code, target };
};

/**
 * Parses an R4 search (§3.1.1).
 *
 * @param strict Prefer: handling=strict — an unknown parameter is an error instead of ignored
 * @param base absolute URL of the FHIR endpoint
 * @throws Fault `badParameter`
 */
export const parseSearch = (
  type: string,
  parameters: readonly (readonly [string, string])[],
  options: { strict: boolean; base: string },
): ParsedSearch => {
  loadDefinitions();
  const criteria: Criterion[] = [];
  const parsed = {
    sort: [] as SortKey[],
    count: DEFAULT_COUNT,
    summaryCount: false,
    total: false,
    cursor: undefined as string | undefined,
  };
  const include: ParsedSearch['include'][number][] = [];
  const revinclude: ParsedSearch['revinclude'][number][] = [];
  const used: (readonly [string, string])[] = [];
  for (const [name, value] of parameters) {
    if (value === '') continue;
    let known = true;
    if (name === '_count') {
      if (!/^\d{1,9}$/.test(value)) throw new Fault('badParameter', '_count takes a whole number');
      parsed.count = Math.min(Number(value), MAX_COUNT);
    } else if (name === '_sort') parsed.sort = sortKeys(type, value);
    else if (name === '_total') parsed.total = value === 'accurate';
    else if (name === '_summary' && (value === 'count' || value === 'false')) parsed.summaryCount = value === 'count';
    else if (name === '_cursor') parsed.cursor = value;
    else if (name === '_include') include.push(includeOf(value));
    else if (name === '_revinclude') revinclude.push(includeOf(value));
    else if (name !== '_format' && name !== '_pretty') {
      const criterion = criterionOf(type, name, value, options.base);
      if (criterion) criteria.push(criterion);
      else if (options.strict)
        throw new Fault('badParameter', `The search parameter ${printable(name)} is not known for ${type}`);
      else known = false;
    }
    if (known && name !== '_cursor') used.push([name, name === '_count' ? String(parsed.count) : value]);
  }
  return { ...parsed, summaryCount: parsed.summaryCount || parsed.count === 0, criteria, include, revinclude, used };
};

/** Granular scopes as criteria: a resource must meet one of them. A constraint that can't be searched closes everything. */
export const parseFilters = (
  type: string,
  filters: readonly string[] | undefined,
  base: string,
): (readonly Criterion[])[] | undefined => {
  loadDefinitions();
  return filters?.map((query) => {
    const criteria = [...new URLSearchParams(query)].map(([name, value]) => criterionOf(type, name, value, base));
    return criteria.length > 0 && criteria.every((criterion) => criterion !== undefined)
      ? (criteria as Criterion[])
      : [{ on: 'id', ids: ['-'] } as const];
  });
};
