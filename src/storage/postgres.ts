import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { asTx, type Database } from './database.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';

const INT8 = 20;
/** two servers met at one key: on the second run the row is there and is recognised */
const UNIQUE_VIOLATION = '23505';
const RETRIED = new Set(['40001', '40P01', UNIQUE_VIOLATION]);
const MAX_ATTEMPTS = 5;

/**
 * The scaled engine: the same SQL on PostgreSQL, for several servers on one store.
 *
 * @param url `postgres://user:password@host:port/database`
 */
export const openPostgres = async (url: string): Promise<Database> => {
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      oid === INT8 ? Number : (pg.types.getTypeParser(oid, format as 'text') as (value: string) => unknown),
  } as pg.CustomTypesConfig;
  const pool = new pg.Pool({ connectionString: url, max: 10, types, connectionTimeoutMillis: 10_000 });
  // An idle connection may be cut by the server; the pool replaces it. Without a listener that would end the process.
  pool.on('error', () => {});
  const kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  await migrate(kysely, 'postgres');
  return {
    dialect: 'postgres',
    reader: kysely,
    transaction: (work) => retrying(() => kysely.transaction().execute((transaction) => work(asTx(transaction)))),
    close: () => kysely.destroy(),
  };
};

/** Two transactions that touch the same rows in different order may deadlock; the loser has changed nothing and runs again. */
const retrying = async <T>(run: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt >= MAX_ATTEMPTS || !RETRIED.has((error as { code?: string }).code ?? '')) throw error;
    }
  }
};
