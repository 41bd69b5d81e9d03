import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { AuditEventEntity } from 'fhir/r4';
import { auditEvent } from '../audit/events.ts';
import { openAuditKeys } from '../audit/keys.ts';
import { createAuditLog } from '../audit/log.ts';
import { systemClock } from '../kernel/clock.ts';
import { baseUrlOf, type Config } from '../kernel/config.ts';
import { lock } from '../kernel/lock.ts';
import type { Accounts, GrantStore } from '../smart/ports.ts';
import type { Database } from '../storage/database.ts';
import { createAccounts, createGrantStore } from '../storage/grants.ts';
import { openDatabase } from './storage.ts';

export interface Operator {
  readonly baseUrl: string;
  readonly database: Database;
  readonly grants: GrantStore;
  readonly accounts: Accounts;
  /** puts the act on record before it has its effect */
  readonly act: (what: string, entities?: readonly AuditEventEntity[]) => Promise<void>;
}

const LOCK_WAIT_MS = 5000;

/** Address of the running server of this data folder; without one, what the configuration says. */
const serverOf = (config: Config): string => {
  try {
    return (JSON.parse(readFileSync(join(config.data, 'server.json'), 'utf8')) as { baseUrl: string }).baseUrl;
  } catch {
    return baseUrlOf(config);
  }
};

/** An operator's act at the command line, on the stores of the data folder, with a log of its own beside the server's. */
export const asOperator = async <T>(config: Config, work: (operator: Operator) => Promise<T>): Promise<T> => {
  const folder = join(config.data, 'audit', 'operator');
  const release = await lock(folder, LOCK_WAIT_MS);
  const log = await createAuditLog({
    directory: folder,
    origin: 'isthmus/operator',
    signingKey: openAuditKeys(config.data).signingKey,
    clock: systemClock,
    mode: 'strict',
  });
  const database = await openDatabase(config);
  try {
    const baseUrl = serverOf(config);
    const act: Operator['act'] = async (what, entities = []) => {
      const facts = {
        type: 'security',
        subtypes: [],
        action: 'E',
        direction: 'acts',
        outcomeDesc: what,
        user: { subject: userInfo().username },
        entities,
      } as const;
      await log.append(auditEvent(facts, { name: 'isthmus command line', address: baseUrl }), true);
    };
    return await work({
      baseUrl,
      database,
      grants: createGrantStore(database, systemClock),
      accounts: createAccounts(database, systemClock),
      act,
    });
  } finally {
    await log.close();
    await database.close();
    release();
  }
};
