import type { Kysely, Transaction } from 'kysely';
import type { Transactor, Tx } from '../kernel/transaction.ts';
import type { Schema } from './schema.ts';

/** Either engine behind one async port. Every statement is written once, in the SQL both understand. */
export interface Database extends Transactor {
  readonly dialect: 'sqlite' | 'postgres';
  /** For reads outside a transaction: sees what is committed, never waits for a writer. */
  readonly reader: Kysely<Schema>;
  readonly close: () => Promise<void>;
}

/** What a repository runs its statement on: the caller's transaction, or the reader when there is none. */
export const on = (database: Database, tx: Tx | undefined): Kysely<Schema> =>
  tx === undefined ? database.reader : (tx as unknown as Transaction<Schema>);

/** What a repository writes with: writing needs a transaction. */
export const writing = (tx: Tx): Transaction<Schema> => tx as unknown as Transaction<Schema>;

/** Wraps a kysely transaction for its way through the services. */
export const asTx = (transaction: Transaction<Schema>): Tx => transaction as unknown as Tx;
