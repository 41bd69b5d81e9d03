declare const transactionBrand: unique symbol;

/**
 * One unit of work in the database. Opaque: services carry it from port to port so that what belongs together is
 * committed together; only `storage` knows what it is.
 */
export interface Tx {
  readonly [transactionBrand]: true;
}

export interface Transactor {
  /** Runs `work` in one transaction: commits when it resolves, rolls back and rethrows when it rejects. Durable when resolved. */
  readonly transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
}
