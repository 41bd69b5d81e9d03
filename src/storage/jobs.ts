import type { Selectable } from 'kysely';
import type { Job, JobInstance, JobState, JobTable } from '../jobs/ports.ts';
import { type Database, writing } from './database.ts';
import type { Schema } from './schema.ts';

const ROUTINE = 100;
const AT_ONCE = 0;

type Row = Selectable<Schema['job']>;

const asJob = (row: Row): Job => ({
  id: row.id,
  key: row.key,
  studyInstanceUid: row.study_uid,
  patient: row.patient,
  model: row.model,
  modelVersion: row.model_version,
  modelDigest: row.model_digest,
  rule: row.rule,
  purpose: row.purpose,
  state: row.state as JobState,
  input: JSON.parse(row.input) as JobInstance[],
  studyRevision: row.study_revision,
  attempts: row.attempts,
  fence: row.fence,
  failure: row.failure,
  createdAt: row.created_at,
});

/** Jobs in the same database as the studies they are about. Every transition is one conditional UPDATE. */
export const createJobTable = (database: Database): JobTable => ({
  create: async (tx, job, at) => {
    const inserted = await writing(tx)
      .insertInto('job')
      .values({
        key: job.key,
        study_uid: job.studyInstanceUid,
        patient: job.patient,
        model: job.model,
        model_version: job.modelVersion,
        model_digest: job.modelDigest,
        rule: job.rule,
        purpose: job.purpose,
        state: 'ready',
        priority: ROUTINE,
        input: JSON.stringify(job.input),
        study_revision: job.studyRevision,
        attempts: 0,
        fence: 0,
        lease_until: 0,
        due_at: at,
        failure: '',
        created_at: at,
        updated_at: at,
      })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .returning('id')
      .executeTakeFirst();
    return inserted !== undefined;
  },
  supersede: async (tx, studyInstanceUid, rule, exceptKey, at) => {
    const rows = await writing(tx)
      .updateTable('job')
      .set({ state: 'superseded', updated_at: at })
      .where('study_uid', '=', studyInstanceUid)
      .where('rule', '=', rule)
      .where('state', '=', 'ready')
      .where('key', '<>', exceptKey)
      .returning('key')
      .execute();
    return rows.map((row) => row.key);
  },
  claim: (now, leaseMs) =>
    database.transaction(async (tx) => {
      const db = writing(tx);
      const claimable = db
        .selectFrom('job')
        .select('id')
        .where((where) =>
          where.or([
            where.and([where('state', '=', 'ready'), where('due_at', '<=', now)]),
            where.and([where('state', '=', 'running'), where('lease_until', '<=', now)]),
          ]),
        )
        .orderBy('priority')
        .orderBy('due_at')
        .orderBy('id')
        .limit(1);
      const locked = database.dialect === 'postgres' ? claimable.forUpdate().skipLocked() : claimable;
      const row = await db
        .updateTable('job')
        .set((set) => ({
          state: 'running',
          attempts: set('attempts', '+', 1),
          fence: set('fence', '+', 1),
          lease_until: now + leaseMs,
          updated_at: now,
        }))
        .where('id', '=', locked)
        .returningAll()
        .executeTakeFirst();
      return row && asJob(row);
    }),
  heartbeat: (job, until) =>
    database.transaction(async (tx) => {
      const result = await writing(tx)
        .updateTable('job')
        .set({ lease_until: until })
        .where('id', '=', job.id)
        .where('fence', '=', job.fence)
        .where('state', '=', 'running')
        .executeTakeFirst();
      return Number(result.numUpdatedRows) === 1;
    }),
  finish: async (tx, job, state, { failure = '', dueAt = AT_ONCE }, at) => {
    const result = await writing(tx)
      .updateTable('job')
      .set({ state, failure, due_at: dueAt, lease_until: 0, updated_at: at })
      .where('id', '=', job.id)
      .where('fence', '=', job.fence)
      .where('state', '=', 'running')
      .executeTakeFirst();
    return Number(result.numUpdatedRows) === 1;
  },
  releaseAll: (at) =>
    database.transaction(async (tx) => {
      const result = await writing(tx)
        .updateTable('job')
        .set({ state: 'ready', lease_until: 0, due_at: at, updated_at: at })
        .where('state', '=', 'running')
        .executeTakeFirst();
      return Number(result.numUpdatedRows);
    }),
  byStudy: async (studyInstanceUid) =>
    (await database.reader.selectFrom('job').selectAll().where('study_uid', '=', studyInstanceUid).orderBy('id').execute()).map(
      asJob,
    ),
  counts: async () => {
    const rows = await database.reader
      .selectFrom('job')
      .select((select) => ['state', select.fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute();
    return Object.fromEntries(rows.map((row) => [row.state, Number(row.count)]));
  },
});
