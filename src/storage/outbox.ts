import { sql } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import type { Outbox } from '../studies/ports.ts';
import { type Database, writing } from './database.ts';

/** The outbox as a table of the same database, so that owing and doing share their transactions with the data. */
export const createOutbox = (database: Database, clock: Clock): Outbox => ({
  owe: async (tx, topic, subject, revision, dueAt) => {
    await writing(tx)
      .insertInto('outbox')
      .values({ topic, subject, revision, created_at: clock.now(), due_at: dueAt })
      .onConflict((conflict) =>
        conflict
          .columns(['topic', 'subject'])
          .doUpdateSet({ revision: sql.ref('excluded.revision'), due_at: sql.ref('excluded.due_at') }),
      )
      .execute();
  },
  due: (topic, limit) =>
    database.reader
      .selectFrom('outbox')
      .select(['subject', 'revision'])
      .where('topic', '=', topic)
      .where('due_at', '<=', clock.now())
      .orderBy('due_at')
      .limit(limit)
      .execute(),
  settle: async (tx, topic, subject, revision) => {
    await writing(tx)
      .deleteFrom('outbox')
      .where('topic', '=', topic)
      .where('subject', '=', subject)
      .where('revision', '<=', revision)
      .execute();
  },
  owed: async (topic, subject) =>
    (
      await database.reader
        .selectFrom('outbox')
        .select('revision')
        .where('topic', '=', topic)
        .where('subject', '=', subject)
        .executeTakeFirst()
    )?.revision,
});
