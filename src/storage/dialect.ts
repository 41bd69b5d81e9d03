import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Database } from './database.ts';

type Dialect = Database['dialect'];

/** `column IN values` as one parameter, so that a list of any length is one prepared statement. */
export const inList = (
  dialect: Dialect,
  column: Expression<unknown> | RawBuilder<unknown>,
  values: readonly string[],
): RawBuilder<SqlBool> =>
  dialect === 'sqlite'
    ? sql<SqlBool>`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`
    : sql<SqlBool>`${column} = ANY(${[...values]}::text[])`;

export const notInList = (
  dialect: Dialect,
  column: Expression<unknown> | RawBuilder<unknown>,
  values: readonly string[],
): RawBuilder<SqlBool> => sql<SqlBool>`NOT (${inList(dialect, column, values)})`;

/** Case-sensitive `*` and `?` wildcards (PS3.4 §C.2.2.2.4). */
export const wildcard = (
  dialect: Dialect,
  column: Expression<unknown> | RawBuilder<unknown>,
  pattern: string,
): RawBuilder<SqlBool> =>
  dialect === 'sqlite'
    ? sql<SqlBool>`${column} GLOB ${pattern.replaceAll('[', '[[]')}`
    : sql<SqlBool>`${column} LIKE ${pattern
        .replace(/[\\%_]/g, '\\$&')
        .replaceAll('*', '%')
        .replaceAll('?', '_')}`;

const LAST_CODE_POINT = '\u{10FFFF}';

/** Text that begins with `prefix`, as an index range. */
export const startsWith = (column: Expression<unknown> | RawBuilder<unknown>, prefix: string): RawBuilder<SqlBool> =>
  sql<SqlBool>`(${column} >= ${prefix} AND ${column} < ${prefix + LAST_CODE_POINT})`;
