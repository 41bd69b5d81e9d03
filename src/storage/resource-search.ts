import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Criterion, ResourceQuery, ResourceStore, SearchValue, SortKey, StoredResource } from '../fhir/store.ts';
import type { Judged, Restriction } from '../kernel/restriction.ts';
import { inList, notInList, startsWith } from './dialect.ts';
import type { ResourceStoreDeps } from './resources.ts';

interface FoundRow {
  readonly pk: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly updated: number;
  readonly body: string;
  readonly patients: string | null;
  readonly [sortValue: `s${number}`]: string | number;
}

type Condition = RawBuilder<SqlBool>;

const ALWAYS = sql<SqlBool>`1 = 1`;
const NEVER = sql<SqlBool>`1 = 0`;
const LOWEST = -8.64e15;

const any = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? NEVER : sql<SqlBool>`(${sql.join(conditions, sql` OR `)})`;
const all = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? ALWAYS : sql<SqlBool>`(${sql.join(conditions, sql` AND `)})`;

const compare = (
  low: RawBuilder<unknown>,
  high: RawBuilder<unknown>,
  value: Extract<SearchValue, { kind: 'range' }>,
): Condition => {
  const { comparator, low: from, high: to } = value;
  switch (comparator) {
    case 'ne':
      return sql<SqlBool>`NOT (${low} >= ${from} AND ${high} <= ${to})`;
    case 'gt':
      return sql<SqlBool>`${high} > ${to}`;
    case 'ge':
      return sql<SqlBool>`${high} >= ${from}`;
    case 'lt':
      return sql<SqlBool>`${low} < ${from}`;
    case 'le':
      return sql<SqlBool>`${low} <= ${to}`;
    case 'sa':
      return sql<SqlBool>`${low} > ${to}`;
    case 'eb':
      return sql<SqlBool>`${high} < ${from}`;
    case 'ap':
      return sql<SqlBool>`(${low} <= ${to} AND ${high} >= ${from})`;
    default:
      return sql<SqlBool>`(${low} >= ${from} AND ${high} <= ${to})`;
  }
};

/** A value as a condition on the row `x` of its index table. */
const valueCondition = (value: SearchValue): Condition => {
  switch (value.kind) {
    case 'token':
      return all([
        ...(value.code === undefined ? [] : [sql<SqlBool>`x.code = ${value.code}`]),
        ...(value.system === undefined ? [] : [sql<SqlBool>`x.system = ${value.system}`]),
      ]);
    case 'string':
      if (value.match === 'exact') return sql<SqlBool>`x.exact = ${value.text}`;
      return value.match === 'prefix'
        ? startsWith(sql`x.norm`, value.text)
        : sql<SqlBool>`x.norm LIKE ${`%${value.text.replace(/[|%_]/g, '|$&')}%`} ESCAPE '|'`;
    case 'range':
      return all([
        compare(sql`x.low`, sql`x.high`, value),
        ...(value.system === undefined ? [] : [sql<SqlBool>`x.system = ${value.system}`]),
        ...(value.code === undefined ? [] : [sql<SqlBool>`x.code = ${value.code}`]),
      ]);
    case 'reference':
      return all([
        sql<SqlBool>`x.target_id = ${value.id}`,
        ...(value.type === undefined ? [] : [sql<SqlBool>`x.target_type = ${value.type}`]),
      ]);
    case 'uri':
      return sql<SqlBool>`x.value = ${value.value}`;
    case 'missing':
      return ALWAYS;
  }
};

const exists = (criterion: Extract<Criterion, { on: 'index' }>, values: readonly SearchValue[]): Condition =>
  sql<SqlBool>`EXISTS (SELECT 1 FROM ${sql.table(criterion.table)} AS x WHERE x.resource = resource.pk AND x.param = ${criterion.param} AND ${any(values.map(valueCondition))})`;

const criterionCondition = (criterion: Criterion): Condition => {
  if (criterion.on === 'id') return sql<SqlBool>`resource.id IN (${sql.join(criterion.ids)})`;
  if (criterion.on === 'updated')
    return any(
      criterion.values.map((value) =>
        value.kind === 'range' ? compare(sql`resource.updated`, sql`resource.updated`, value) : NEVER,
      ),
    );
  const [first] = criterion.values;
  if (first?.kind === 'missing')
    return first.missing ? sql<SqlBool>`NOT ${exists(criterion, [first])}` : exists(criterion, [first]);
  return criterion.negated ? sql<SqlBool>`NOT ${exists(criterion, criterion.values)}` : exists(criterion, criterion.values);
};

/** How well a criterion narrows: the best one drives the query from its index, the others are tested on what it finds. */
const RANK: Readonly<Record<string, number>> = { ix_reference: 1, ix_uri: 2, ix_token: 3, ix_string: 4, ix_range: 5 };

const drives = (criterion: Criterion): criterion is Extract<Criterion, { on: 'index' }> =>
  criterion.on === 'index' &&
  !criterion.negated &&
  criterion.values[0]?.kind !== 'missing' &&
  criterion.values.every((value) => value.kind !== 'token' || value.code !== undefined);

const driverOf = (criteria: readonly Criterion[]): Extract<Criterion, { on: 'index' }> | undefined =>
  criteria.some((criterion) => criterion.on === 'id')
    ? undefined
    : criteria.filter(drives).sort((a, b) => RANK[a.table]! - RANK[b.table]!)[0];

const sortExpression = (key: SortKey): RawBuilder<string | number> => {
  if (key.by === 'updated') return sql`resource.updated`;
  if (key.by === 'id') return sql`resource.id`;
  const { table, param } = key.by;
  const column = table === 'ix_range' ? (key.descending ? 'high' : 'low') : table === 'ix_string' ? 'norm' : 'code';
  const extreme = key.descending ? sql`MAX` : sql`MIN`;
  // A resource without the value comes last when descending and first when ascending.
  return sql`COALESCE((SELECT ${extreme}(o.${sql.ref(column)}) FROM ${sql.table(table)} AS o WHERE o.resource = resource.pk AND o.param = ${param}), ${table === 'ix_range' ? LOWEST : ''})`;
};

const withTie = (sort: readonly SortKey[]): SortKey[] => (sort.length === 0 ? [{ by: 'updated', descending: true }] : [...sort]);

/** Rows after the last of the page before, in the order of the sort (keyset). */
const afterCondition = (sort: readonly SortKey[], after: readonly (string | number)[]): Condition => {
  const keys = [
    ...sort.map((key) => ({ expression: sortExpression(key), descending: key.descending })),
    { expression: sql<number>`resource.pk`, descending: sort[0]!.descending },
  ];
  const alternatives = keys.map(({ expression, descending }, at) =>
    all([
      ...keys.slice(0, at).map((before, index) => sql<SqlBool>`${before.expression} = ${after[index]}`),
      descending ? sql<SqlBool>`${expression} < ${after[at]}` : sql<SqlBool>`${expression} > ${after[at]}`,
    ]),
  );
  return any(alternatives);
};

export const createResourceSearch = ({
  database,
  publicTypes,
}: ResourceStoreDeps): Pick<ResourceStore, 'search' | 'count' | 'referring'> => {
  const { dialect, reader } = database;

  const within = (patients: readonly string[]): Condition =>
    sql<SqlBool>`EXISTS (SELECT 1 FROM compartment AS c WHERE c.resource = resource.pk AND ${inList(dialect, sql`c.patient`, patients)})`;

  const restricted = (type: string, restriction: Restriction): Condition[] => {
    const conditions: Condition[] = [];
    if (restriction.onlyPatients) {
      const nobodys = sql<SqlBool>`NOT EXISTS (SELECT 1 FROM compartment AS c WHERE c.resource = resource.pk)`;
      const own = all([
        within(restriction.onlyPatients),
        sql<SqlBool>`NOT EXISTS (SELECT 1 FROM compartment AS c WHERE c.resource = resource.pk AND ${notInList(dialect, sql`c.patient`, restriction.onlyPatients)})`,
      ]);
      conditions.push(publicTypes.includes(type) ? any([own, nobodys]) : own);
    }
    if (restriction.exceptPatients.length > 0) conditions.push(sql<SqlBool>`NOT ${within(restriction.exceptPatients)}`);
    return conditions;
  };

  const conditionsOf = (query: ResourceQuery, restriction: Restriction, driver: Criterion | undefined): Condition[] => [
    sql<SqlBool>`resource.type = ${query.type}`,
    sql<SqlBool>`resource.deleted = 0`,
    ...query.criteria.filter((criterion) => criterion !== driver).map(criterionCondition),
    ...(query.filters ? [any(query.filters.map((filter) => all(filter.map(criterionCondition))))] : []),
    ...restricted(query.type, restriction),
  ];

  const from = (driver: ReturnType<typeof driverOf>): RawBuilder<unknown> =>
    driver
      ? sql`(SELECT DISTINCT x.resource FROM ${sql.table(driver.table)} AS x WHERE x.param = ${driver.param} AND ${any(driver.values.map(valueCondition))}) AS d JOIN resource ON resource.pk = d.resource`
      : sql`resource`;

  const patientsColumn =
    dialect === 'sqlite'
      ? sql`(SELECT json_group_array(c.patient) FROM compartment AS c WHERE c.resource = resource.pk)`
      : sql`(SELECT json_agg(c.patient)::text FROM compartment AS c WHERE c.resource = resource.pk)`;

  const page = async (
    query: ResourceQuery,
    restriction: Restriction,
    after: ResourceQuery['after'],
    limit: number,
  ): Promise<FoundRow[]> => {
    const sort = withTie(query.sort);
    const driver = driverOf(query.criteria);
    const conditions = conditionsOf(query, restriction, driver);
    if (after) conditions.push(afterCondition(sort, after));
    const columns = sort.map((key, at) => sql`${sortExpression(key)} AS ${sql.ref(`s${at}`)}`);
    const order = [
      ...sort.map((key, at) => sql`${sql.ref(`s${at}`)} ${key.descending ? sql`DESC` : sql`ASC`}`),
      sql`resource.pk ${sort[0]!.descending ? sql`DESC` : sql`ASC`}`,
    ];
    const statement = sql<FoundRow>`SELECT resource.pk, resource.type, resource.id, resource.version, resource.updated, version.body, ${patientsColumn} AS patients, ${sql.join(columns)}
      FROM ${from(driver)} JOIN version ON version.resource = resource.pk AND version.version = resource.version
      WHERE ${all(conditions)} ORDER BY ${sql.join(order)} LIMIT ${limit}`;
    return (await statement.execute(reader)).rows;
  };

  const visible = (row: FoundRow, restriction: Restriction): boolean => {
    if (restriction.mixedPatients.size === 0) return true;
    const patients = JSON.parse(row.patients ?? '[]') as string[];
    return (
      !patients.some((patient) => restriction.mixedPatients.has(patient)) || restriction.sees(JSON.parse(row.body) as Judged)
    );
  };

  const keyOf = (row: FoundRow, sort: readonly SortKey[]): (string | number)[] => [
    ...sort.map((_, at) => row[`s${at}`]!),
    row.pk,
  ];

  return {
    search: async (query, restriction) => {
      const sort = withTie(query.sort);
      const rows: StoredResource[] = [];
      let after = query.after;
      let lastKept: (string | number)[] | undefined;
      // Hidden rows are passed over before the page is full, so that its size and its links never show a gap.
      for (;;) {
        const found = await page(query, restriction, after, query.count + 1 - rows.length);
        const wanted = query.count + 1 - rows.length;
        for (const row of found) {
          if (!visible(row, restriction)) continue;
          if (rows.length === query.count) return { rows, next: lastKept };
          rows.push(asStored(row));
          lastKept = keyOf(row, sort);
        }
        if (found.length < wanted) return { rows, next: undefined };
        after = keyOf(found[found.length - 1]!, sort);
      }
    },
    count: async (query, restriction) => {
      if (restriction.mixedPatients.size > 0) return undefined;
      const driver = driverOf(query.criteria);
      const statement = sql<{
        count: number;
      }>`SELECT COUNT(*) AS count FROM ${from(driver)} WHERE ${all(conditionsOf(query, restriction, driver))}`;
      return Number((await statement.execute(reader)).rows[0]!.count);
    },
    referring: async (type, param, targets, restriction) => {
      if (targets.length === 0) return [];
      const values = targets.map((target): SearchValue => ({ kind: 'reference', type: target.type, id: target.id }));
      const query: ResourceQuery = {
        type,
        criteria: [{ on: 'index', table: 'ix_reference', param, values, negated: false }],
        filters: undefined,
        sort: [],
        count: 1000,
        after: undefined,
      };
      const found = await page(query, restriction, undefined, query.count);
      return found.filter((row) => visible(row, restriction)).map(asStored);
    },
  };
};

const asStored = (row: FoundRow): StoredResource => ({
  type: row.type,
  id: row.id,
  versionId: String(row.version),
  updated: row.updated,
  deleted: false,
  patients: JSON.parse(row.patients ?? '[]') as string[],
  text: row.body,
});
