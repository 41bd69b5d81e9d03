import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { Fault } from '../kernel/fault.ts';
import type { Restriction } from '../kernel/restriction.ts';
import type { Level, Match } from '../studies/ports.ts';
import type { Database } from './database.ts';
import { inList, notInList, startsWith, wildcard } from './dialect.ts';

type Dialect = Database['dialect'];
type Kind = 'text' | 'name' | 'time' | 'number' | 'list';

interface Column {
  readonly level: Level;
  readonly column: string;
  readonly kind: Kind;
}

/** The matching keys of QIDO-RS (PS3.18 table 10.6.1-5) that have a column, by tag. */
export const COLUMNS: ReadonlyMap<string, Column> = new Map([
  ['0020000D', { level: 'study', column: 'study.uid', kind: 'text' }],
  ['00100020', { level: 'study', column: 'study.patient_id', kind: 'text' }],
  ['00100021', { level: 'study', column: 'study.issuer', kind: 'text' }],
  ['00100010', { level: 'study', column: 'study.patient_name', kind: 'name' }],
  ['00100030', { level: 'study', column: 'study.birth_date', kind: 'text' }],
  ['00100040', { level: 'study', column: 'study.sex', kind: 'text' }],
  ['00080020', { level: 'study', column: 'study.study_date', kind: 'text' }],
  ['00080030', { level: 'study', column: 'study.study_time', kind: 'time' }],
  ['00080050', { level: 'study', column: 'study.accession', kind: 'text' }],
  ['00080090', { level: 'study', column: 'study.referring_name', kind: 'name' }],
  ['00200010', { level: 'study', column: 'study.study_id', kind: 'text' }],
  ['00081030', { level: 'study', column: 'study.description', kind: 'text' }],
  ['00080061', { level: 'study', column: 'study.modalities', kind: 'list' }],
  ['0020000E', { level: 'series', column: 'series.uid', kind: 'text' }],
  ['00080060', { level: 'series', column: 'series.modality', kind: 'text' }],
  ['00200011', { level: 'series', column: 'series.number', kind: 'number' }],
  ['0008103E', { level: 'series', column: 'series.description', kind: 'text' }],
  ['00180015', { level: 'series', column: 'series.body_part', kind: 'text' }],
  ['00080021', { level: 'series', column: 'series.series_date', kind: 'text' }],
  ['00080031', { level: 'series', column: 'series.series_time', kind: 'time' }],
  ['00400244', { level: 'series', column: 'series.performed_date', kind: 'text' }],
  ['00400245', { level: 'series', column: 'series.performed_time', kind: 'time' }],
  ['00081010', { level: 'series', column: 'series.station', kind: 'text' }],
  ['00080018', { level: 'instance', column: 'instance.uid', kind: 'text' }],
  ['00080016', { level: 'instance', column: 'instance.class_uid', kind: 'text' }],
  ['00200013', { level: 'instance', column: 'instance.number', kind: 'number' }],
  ['00280010', { level: 'instance', column: 'instance.rows', kind: 'number' }],
  ['00280011', { level: 'instance', column: 'instance.columns', kind: 'number' }],
  ['00280008', { level: 'instance', column: 'instance.frames', kind: 'number' }],
]);

/** A name matches when the whole or one of its component groups does. */
const nameCondition = (dialect: Dialect, column: RawBuilder<unknown>, pattern: string): RawBuilder<SqlBool> => {
  const prefix = /^([^*?]+)\*$/.exec(pattern)?.[1];
  const whole = prefix === undefined ? wildcard(dialect, column, pattern) : startsWith(column, prefix);
  const group = sql<SqlBool>`${wildcard(dialect, column, `${pattern}=*`)} OR ${wildcard(dialect, column, `*=${pattern}`)} OR ${wildcard(dialect, column, `*=${pattern}=*`)}`;
  // An alphabetic prefix is the common search and must stay an index range; ideographic groups never begin with ASCII.
  return prefix !== undefined && /^[\x20-\x7e]+$/.test(prefix) ? whole : sql<SqlBool>`(${whole} OR ${group})`;
};

/** A `\\`-joined column holds one of the values; each may carry wildcards. */
const anyListed = (dialect: Dialect, column: RawBuilder<unknown>, values: readonly string[]): RawBuilder<SqlBool> => {
  const list = sql`('\\' || ${column} || '\\')`;
  return sql<SqlBool>`(${sql.join(
    values.map((value) => wildcard(dialect, list, `*\\${value}\\*`)),
    sql` OR `,
  )})`;
};

const TIME_END = '~';

const numbers = (values: readonly string[]): number[] =>
  values.map((value) => {
    if (!/^[+-]?\d{1,15}$/.test(value)) throw new Fault('badParameter', 'A numeric attribute is matched by a whole number');
    return Number(value);
  });

/** One matching key as SQL. */
export const condition = (dialect: Dialect, tag: string, match: Match): RawBuilder<SqlBool> => {
  const { column: name, kind } = COLUMNS.get(tag)!;
  const column = sql.ref(name);
  const values = match.kind === 'equals' ? [match.value] : match.kind === 'anyOf' ? match.values : [];
  if (kind === 'number') {
    if (values.length === 0) throw new Fault('badParameter', 'A numeric attribute is matched by a whole number');
    return sql<SqlBool>`${column} IN (${sql.join(numbers(values))})`;
  }
  if (match.kind === 'range') {
    const to = match.to === undefined ? undefined : kind === 'time' ? match.to + TIME_END : match.to;
    return sql<SqlBool>`(${column} <> '' AND ${column} >= ${match.from ?? ''} AND ${column} <= ${to ?? TIME_END})`;
  }
  if (match.kind === 'wildcard') {
    if (kind === 'list') return anyListed(dialect, column, [match.pattern]);
    if (kind === 'name') return nameCondition(dialect, column, match.pattern);
    const prefix = /^([^*?]+)\*$/.exec(match.pattern)?.[1];
    return prefix === undefined ? wildcard(dialect, column, match.pattern) : startsWith(column, prefix);
  }
  if (kind === 'list') return anyListed(dialect, column, values);
  if (kind === 'name')
    return sql<SqlBool>`(${sql.join(
      values.map((value) => sql`(${column} = ${value} OR ${nameCondition(dialect, column, value)})`),
      sql` OR `,
    )})`;
  return values.length === 1 ? sql<SqlBool>`${column} = ${values[0]}` : inList(dialect, column, values);
};

/** Granular ImagingStudy scopes that have a column here; any other constraint hides every study, since it can't be shown to hold. */
const GRANULAR: Readonly<Record<string, string>> = { modality: 'study.modalities' };

const granular = (dialect: Dialect, query: string): RawBuilder<SqlBool> => {
  const parts = [...new URLSearchParams(query)].map(([name, value]) => {
    const column = GRANULAR[name];
    if (!column) return sql<SqlBool>`1 = 0`;
    const codes = value.split(',').map((token) => token.slice(token.indexOf('|') + 1));
    return anyListed(dialect, sql.ref(column), codes);
  });
  return parts.length === 0 ? sql<SqlBool>`1 = 0` : sql<SqlBool>`(${sql.join(parts, sql` AND `)})`;
};

/** What a reader may touch, as SQL over `study`. */
export const restricted = (dialect: Dialect, restriction: Restriction): RawBuilder<SqlBool>[] => {
  const conditions: RawBuilder<SqlBool>[] = [];
  const patient = sql.ref('study.patient');
  if (restriction.onlyPatients) conditions.push(inList(dialect, patient, restriction.onlyPatients));
  if (restriction.exceptPatients.length > 0) conditions.push(notInList(dialect, patient, restriction.exceptPatients));
  if (restriction.filters)
    conditions.push(
      sql<SqlBool>`(${sql.join(
        restriction.filters.map((query) => granular(dialect, query)),
        sql` OR `,
      )})`,
    );
  return conditions;
};
