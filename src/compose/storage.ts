import { join } from 'node:path';
import { PUBLIC_TYPES } from '../fhir/capability.ts';
import { extractIndexValues } from '../fhir/extract.ts';
import { paramKey, type ResourceStore } from '../fhir/store.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Config } from '../kernel/config.ts';
import type { Database } from '../storage/database.ts';
import { openKeyWrapper } from '../storage/keys.ts';
import { createOutbox } from '../storage/outbox.ts';
import { createPacks, type Packs } from '../storage/packs.ts';
import { openPostgres } from '../storage/postgres.ts';
import { createResourceStore } from '../storage/resources.ts';
import { openSqlite } from '../storage/sqlite.ts';
import { createStudyIndex } from '../storage/study-index.ts';
import { patientIdSystem } from '../studies/identifiers.ts';
import type { Outbox, StudyIndex } from '../studies/ports.ts';

/** SQLite in the data folder, or the PostgreSQL that `ISTHMUS_DATABASE_URL` names. */
export const openDatabase = (config: Config): Promise<Database> =>
  config.databaseUrl === '' ? openSqlite(join(config.data, 'isthmus.sqlite')) : openPostgres(config.databaseUrl);

export interface Stores {
  readonly database: Database;
  readonly packs: Packs;
  readonly outbox: Outbox;
  readonly index: StudyIndex;
  readonly resources: ResourceStore;
}

/** Everything that keeps data, on one database and one folder of packs. */
export const openStores = async (config: Config, clock: Clock): Promise<Stores> => {
  const database = await openDatabase(config);
  // Keys are opened even when new objects are not sealed: older ones may be.
  const packs = await createPacks({
    directory: join(config.data, 'packs'),
    keys: openKeyWrapper(config.data),
    seal: config.encryptAtRest,
    clock,
  });
  const outbox = createOutbox(database, clock);
  const resources = createResourceStore({ database, now: clock.now, extract: extractIndexValues, publicTypes: PUBLIC_TYPES });
  const index = createStudyIndex({
    database,
    outbox,
    now: clock.now,
    quietPeriodMs: config.quietPeriodMs,
    findPatient: (tx, issuer, patientId) =>
      resources.findByToken(
        tx,
        'Patient',
        paramKey('Patient', 'identifier'),
        patientIdSystem(issuer, config.patientIdSystem),
        patientId,
      ),
  });
  return { database, packs, outbox, index, resources };
};
