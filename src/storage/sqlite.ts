import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { Kysely, SqliteDialect } from 'kysely';
import { asTx, type Database } from './database.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';

const PRAGMAS = `
PRAGMA busy_timeout = 10000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -32768;
PRAGMA mmap_size = 0;
`;
const MAX_PREPARED = 500;

/** node:sqlite in the shape kysely's SQLite dialect expects; statements are prepared once per text. */
const shim = (db: DatabaseSync) => {
  const prepared = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = prepared.get(sql);
    if (known) return known;
    if (prepared.size >= MAX_PREPARED) prepared.delete(prepared.keys().next().value!);
    const statement = db.prepare(sql);
    prepared.set(sql, statement);
    return statement;
  };
  return {
    close: () => db.close(),
    prepare: (sql: string) => {
      const statement = prepare(sql);
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
      };
    },
  };
};

/**
 * The embedded engine. One connection writes, another reads: in WAL mode a reader never waits for a transaction.
 * `synchronous = FULL` makes a resolved transaction durable.
 *
 * @param path of the database file; its folder is made when missing
 */
export const openSqlite = async (path: string): Promise<Database> => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const writerFile = new DatabaseSync(path);
  writerFile.exec(PRAGMAS);
  const writer = new Kysely<Schema>({ dialect: new SqliteDialect({ database: shim(writerFile) }) });
  await migrate(writer, 'sqlite');
  const readerFile = new DatabaseSync(path, { readOnly: true });
  readerFile.exec('PRAGMA busy_timeout = 10000; PRAGMA cache_size = -32768; PRAGMA mmap_size = 0;');
  const reader = new Kysely<Schema>({ dialect: new SqliteDialect({ database: shim(readerFile) }) });
  return {
    dialect: 'sqlite',
    reader,
    transaction: (work) => immediate(writer, writerFile, work),
    close: async () => {
      await reader.destroy();
      await writer.destroy();
    },
  };
};

/** kysely begins DEFERRED; a second process (the command line) could then make an upgrade fail. IMMEDIATE queues instead. */
const immediate = <T>(
  writer: Kysely<Schema>,
  file: DatabaseSync,
  work: (tx: ReturnType<typeof asTx>) => Promise<T>,
): Promise<T> =>
  writer.transaction().execute(async (transaction) => {
    file.exec('COMMIT; BEGIN IMMEDIATE');
    return work(asTx(transaction));
  });
