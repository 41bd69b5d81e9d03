import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import type { BulkValue } from '../dicom/header.ts';
import type { Restriction } from '../kernel/restriction.ts';
import { judgedStudy } from '../studies/judged.ts';
import type { Found, InstanceMetadata, InstanceRow, Level, Selection, StudyIndex, StudyQuery } from '../studies/ports.ts';
import type { Database } from './database.ts';
import type { Schema } from './schema.ts';
import { COLUMNS, condition, restricted } from './study-conditions.ts';
import {
  INSTANCE_COLUMNS,
  type InstanceColumns,
  instanceRow,
  SERIES_COLUMNS,
  type SeriesColumns,
  STUDY_COLUMNS,
  type StudyColumns,
  seriesRow,
  studyRow,
} from './study-rows.ts';

const PAGE = 500;
const RANK: Record<Level, number> = { study: 0, series: 1, instance: 2 };

type AnyRow = StudyColumns & Partial<SeriesColumns & InstanceColumns>;
// The three levels select different columns through one builder; rows are narrowed where they are read.
type Query = SelectQueryBuilder<Schema, 'study', AnyRow>;

/** Newest study first; the UID makes the order total, so that equal requests page the same way. */
const select = (db: Kysely<Schema>, level: Level): Query => {
  const studies = db.selectFrom('study').select(STUDY_COLUMNS).orderBy('study.study_date', 'desc').orderBy('study.uid', 'desc');
  if (level === 'study') return studies as unknown as Query;
  const series = studies
    .innerJoin('series', 'series.study', 'study.id')
    .select(SERIES_COLUMNS)
    .orderBy('series.number')
    .orderBy('series.uid');
  if (level === 'series') return series as unknown as Query;
  return series
    .innerJoin('instance', 'instance.series', 'series.id')
    .select(INSTANCE_COLUMNS)
    .orderBy('instance.number')
    .orderBy('instance.uid') as unknown as Query;
};

const asFound = (level: Level, row: AnyRow): Found => ({
  study: studyRow(row),
  series: level === 'study' ? undefined : seriesRow(row as SeriesColumns),
  instance: level === 'instance' ? instanceRow(row as InstanceColumns & { study_uid: string; series_uid: string }) : undefined,
});

/** Reading side of the index. */
export const createStudySearch = (database: Database): Omit<StudyIndex, 'add'> => {
  const { dialect, reader } = database;

  const visible = (restriction: Restriction, row: AnyRow, verdicts: Map<string, boolean>): boolean => {
    if (!restriction.mixedPatients.has(row.patient)) return true;
    let verdict = verdicts.get(row.study_uid);
    if (verdict === undefined) {
      verdict = restriction.sees(judgedStudy(studyRow(row)));
      verdicts.set(row.study_uid, verdict);
    }
    return verdict;
  };

  const build = (
    query: Pick<StudyQuery, 'level' | 'matches' | 'studyInstanceUid' | 'seriesInstanceUid'>,
    restriction: Restriction,
  ): Query => {
    let built = select(reader, query.level);
    for (const where of restricted(dialect, restriction)) built = built.where(where);
    if (query.studyInstanceUid !== undefined) built = built.where('study.uid', '=', query.studyInstanceUid);
    if (query.seriesInstanceUid !== undefined) built = built.where(sql.ref('series.uid'), '=', query.seriesInstanceUid);
    for (const [tag, match] of query.matches) {
      const where = condition(dialect, tag, match);
      if (RANK[COLUMNS.get(tag)!.level] <= RANK[query.level]) built = built.where(where);
      else built = built.where(below(COLUMNS.get(tag)!.level, where, query.level));
    }
    return built;
  };

  /** Pages through the matches, leaving out what the reader may not see before anything is counted. */
  async function* matching(built: Query, restriction: Restriction, pageSize: number): AsyncGenerator<AnyRow> {
    const verdicts = new Map<string, boolean>();
    for (let offset = 0; ; offset += pageSize) {
      const rows = await built.limit(pageSize).offset(offset).execute();
      for (const row of rows) if (visible(restriction, row, verdicts)) yield row;
      if (rows.length < pageSize) return;
    }
  }

  const search: StudyIndex['search'] = async (query, restriction) => {
    const built = build(query, restriction);
    if (restriction.mixedPatients.size === 0) {
      const rows = await built
        .limit(query.limit + 1)
        .offset(query.offset)
        .execute();
      return { rows: rows.slice(0, query.limit).map((row) => asFound(query.level, row)), more: rows.length > query.limit };
    }
    const rows: Found[] = [];
    let skipped = 0;
    for await (const row of matching(built, restriction, Math.min(PAGE, query.limit + query.offset + 1))) {
      if (skipped++ < query.offset) continue;
      if (rows.length === query.limit) return { rows, more: true };
      rows.push(asFound(query.level, row));
    }
    return { rows, more: false };
  };

  const selected = (selection: Selection, restriction: Restriction): Query => {
    const built = build({ level: 'instance', matches: new Map(), ...selection }, restriction);
    return selection.sopInstanceUid === undefined ? built : built.where(sql.ref('instance.uid'), '=', selection.sopInstanceUid);
  };

  /** One statement gives the whole list, so that what arrives meanwhile can neither repeat nor hide an instance. */
  const list = async (selection: Selection, restriction: Restriction): Promise<(AnyRow & InstanceColumns & SeriesColumns)[]> => {
    const verdicts = new Map<string, boolean>();
    const rows = (await selected(selection, restriction).execute()) as (AnyRow & InstanceColumns & SeriesColumns)[];
    return rows.filter((row) => visible(restriction, row, verdicts));
  };

  async function* instances(selection: Selection, restriction: Restriction): AsyncGenerator<InstanceRow> {
    for (const row of await list(selection, restriction)) yield instanceRow(row);
  }

  async function* metadata(selection: Selection, restriction: Restriction): AsyncGenerator<InstanceMetadata> {
    const rows = await list(selection, restriction);
    for (let first = 0; first < rows.length; first += PAGE) {
      const page = rows.slice(first, first + PAGE);
      const keys = page.map((row) => row.instance_key);
      const texts = await reader.selectFrom('instance_metadata').selectAll().where('instance', 'in', keys).execute();
      const byKey = new Map(texts.map((text) => [text.instance, text]));
      for (const row of page) {
        const text = byKey.get(row.instance_key)!;
        yield { row: instanceRow(row), json: text.json, bulk: JSON.parse(text.bulk) as BulkValue[] };
      }
    }
  }

  return {
    search,
    study: async (studyInstanceUid, restriction) =>
      (
        await search(
          { level: 'study', studyInstanceUid, seriesInstanceUid: undefined, matches: new Map(), limit: 1, offset: 0 },
          restriction,
        )
      ).rows[0]?.study,
    instances,
    metadata,
  };
};

/** A key of a lower level narrows to parents that have such a child. */
const below = (keyLevel: Level, where: ReturnType<typeof condition>, level: Level) => {
  if (level === 'series') return sql<boolean>`EXISTS (SELECT 1 FROM instance WHERE instance.series = series.id AND ${where})`;
  if (keyLevel === 'series') return sql<boolean>`EXISTS (SELECT 1 FROM series WHERE series.study = study.id AND ${where})`;
  return sql<boolean>`EXISTS (SELECT 1 FROM instance WHERE instance.study = study.id AND ${where})`;
};
