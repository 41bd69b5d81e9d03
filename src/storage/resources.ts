import { type Kysely, sql } from 'kysely';
import type { AnyResource, IndexValues, ResourceStore, StoredResource, WriteOptions, WriteOutcome } from '../fhir/store.ts';
import { instant } from '../kernel/clock.ts';
import { Fault } from '../kernel/fault.ts';
import type { Tx } from '../kernel/transaction.ts';
import { type Database, on, writing } from './database.ts';
import { createResourceSearch } from './resource-search.ts';
import type { Schema } from './schema.ts';

export interface ResourceStoreDeps {
  readonly database: Database;
  readonly now: () => number;
  readonly extract: (resource: AnyResource) => IndexValues;
  /** types of which every reader may see what belongs to no patient */
  readonly publicTypes: readonly string[];
}

interface Row {
  readonly pk: number;
  readonly version: number;
  readonly updated: number;
  readonly deleted: number;
}

const INDEX_TABLES = ['ix_token', 'ix_string', 'ix_range', 'ix_reference', 'ix_uri'] as const;

/** FHIR resources with versions and search indexes on either engine. */
export const createResourceStore = (deps: ResourceStoreDeps): ResourceStore => {
  const { database } = deps;

  const rowOf = async (db: Kysely<Schema>, type: string, id: string, lock: boolean): Promise<Row | undefined> => {
    const query = db
      .selectFrom('resource')
      .select(['pk', 'version', 'updated', 'deleted'])
      .where('type', '=', type)
      .where('id', '=', id);
    return (lock && database.dialect === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  };

  const patientsOf = async (db: Kysely<Schema>, pk: number): Promise<string[]> =>
    (await db.selectFrom('compartment').select('patient').where('resource', '=', pk).execute()).map((row) => row.patient);

  const stored = async (
    db: Kysely<Schema>,
    type: string,
    id: string,
    row: Row,
    version: number,
  ): Promise<StoredResource | undefined> => {
    const kept = await db
      .selectFrom('version')
      .select(['body', 'updated'])
      .where('resource', '=', row.pk)
      .where('version', '=', version)
      .executeTakeFirst();
    if (!kept) return undefined;
    return {
      type,
      id,
      versionId: String(version),
      updated: kept.updated,
      deleted: kept.body === '',
      patients: await patientsOf(db, row.pk),
      text: kept.body,
    };
  };

  const write = async (
    tx: Tx,
    resource: AnyResource & { readonly id: string },
    options: WriteOptions & { readonly text?: string } = {},
  ): Promise<WriteOutcome> => {
    const db = writing(tx);
    const { resourceType: type, id } = resource;
    const before = await rowOf(db, type, id, true);
    if (options.ifMatch !== undefined && (!before || before.deleted === 1 || String(before.version) !== options.ifMatch)) {
      throw new Fault('precondition', 'The resource is not at the version named by If-Match');
    }
    const text = options.text ?? JSON.stringify(resource);
    if (before && before.deleted === 0 && options.unchangedIsNoop) {
      const present = (await stored(db, type, id, before, before.version))!;
      if (withoutMeta(present.text) === withoutMeta(text)) return { stored: present, created: false };
    }
    const version = (before?.version ?? 0) + 1;
    const updated = deps.now();
    const body = stamp(text, String(version), instant(updated));
    const pk = before ? before.pk : await insert(db, type, id, updated);
    if (before) await db.updateTable('resource').set({ version, updated, deleted: 0 }).where('pk', '=', pk).execute();
    await db.insertInto('version').values({ resource: pk, version, updated, body }).execute();
    const values = deps.extract(resource);
    const patients =
      type === 'Provenance' && values.patients.length === 0 ? await patientsOfTargets(db, values) : values.patients;
    if (before) await clearIndex(db, pk);
    await writeIndex(db, pk, values, patients);
    if (type === 'Consent') await announceConsent(database, db, patients);
    return {
      stored: { type, id, versionId: String(version), updated, deleted: false, patients, text: body },
      created: !before || before.deleted === 1,
    };
  };

  return {
    write,
    read: async (type, id, tx) => {
      const db = on(database, tx);
      const row = await rowOf(db, type, id, false);
      return row && stored(db, type, id, row, row.version);
    },
    version: async (type, id, versionId) => {
      const row = /^[1-9]\d{0,8}$/.test(versionId) ? await rowOf(database.reader, type, id, false) : undefined;
      return row && stored(database.reader, type, id, row, Number(versionId));
    },
    ...createResourceSearch(deps),
    findByToken: async (tx, type, param, system, code) => {
      const row = await writing(tx)
        .selectFrom('ix_token')
        .innerJoin('resource', 'resource.pk', 'ix_token.resource')
        .select('resource.id')
        .where('resource.type', '=', type)
        .where('resource.deleted', '=', 0)
        .where('ix_token.param', '=', param)
        .where('ix_token.system', '=', system)
        .where('ix_token.code', '=', code)
        .orderBy('resource.pk')
        .limit(1)
        .executeTakeFirst();
      return row?.id;
    },
  };
};

const insert = async (db: Kysely<Schema>, type: string, id: string, updated: number): Promise<number> => {
  const inserted = await db
    .insertInto('resource')
    .values({ type, id, version: 1, updated, deleted: 0 })
    .onConflict((conflict) => conflict.columns(['type', 'id']).doNothing())
    .returning('pk')
    .executeTakeFirst();
  if (!inserted) throw new Fault('conflict', 'The resource was created by another request at the same time');
  return inserted.pk;
};

const VERSIONED = ['versionId', 'lastUpdated'] as const;

/** Parses without touching decimals: what is no plain double keeps its source text (R4 datatypes, decimal). */
const parseExact = (text: string): Record<string, unknown> =>
  JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && context.source !== String(value)
      ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(context.source)
      : value,
  ) as Record<string, unknown>;

/** The text with the server's own version and time; what the client said of them is replaced. */
const stamp = (text: string, versionId: string, lastUpdated: string): string => {
  const { resourceType, id, meta, ...rest } = parseExact(text);
  return JSON.stringify({
    resourceType,
    id,
    meta: { ...(meta as Record<string, unknown> | undefined), versionId, lastUpdated },
    ...rest,
  });
};

const withoutMeta = (text: string): string => {
  const { meta, ...rest } = parseExact(text);
  const kept = Object.fromEntries(
    Object.entries((meta ?? {}) as Record<string, unknown>).filter(([key]) => !(VERSIONED as readonly string[]).includes(key)),
  );
  return JSON.stringify([rest, kept]);
};

const patientsOfTargets = async (db: Kysely<Schema>, values: IndexValues): Promise<string[]> => {
  const ids = values.references.map((reference) => reference.targetId);
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('compartment')
    .innerJoin('resource', 'resource.pk', 'compartment.resource')
    .select('compartment.patient')
    .distinct()
    .where('resource.id', 'in', ids.slice(0, 500))
    .where('resource.type', 'in', [...new Set(values.references.map((reference) => reference.targetType))])
    .execute();
  return rows.map((row) => row.patient);
};

const clearIndex = async (db: Kysely<Schema>, pk: number): Promise<void> => {
  for (const table of INDEX_TABLES) await db.deleteFrom(table).where('resource', '=', pk).execute();
  await db.deleteFrom('compartment').where('resource', '=', pk).execute();
};

const ROWS = 500;

const writeIndex = async (db: Kysely<Schema>, pk: number, values: IndexValues, patients: readonly string[]): Promise<void> => {
  const fill = async <Item>(items: readonly Item[], insertPage: (page: Item[]) => Promise<unknown>): Promise<void> => {
    for (let first = 0; first < items.length; first += ROWS) await insertPage(items.slice(first, first + ROWS));
  };
  await fill(patients, (page) =>
    db
      .insertInto('compartment')
      .values(page.map((patient) => ({ resource: pk, patient })))
      .execute(),
  );
  await fill(values.tokens, (page) =>
    db
      .insertInto('ix_token')
      .values(page.map((item) => ({ resource: pk, ...item })))
      .execute(),
  );
  await fill(values.strings, (page) =>
    db
      .insertInto('ix_string')
      .values(page.map((item) => ({ resource: pk, ...item })))
      .execute(),
  );
  await fill(values.ranges, (page) =>
    db
      .insertInto('ix_range')
      .values(page.map((item) => ({ resource: pk, ...item })))
      .execute(),
  );
  await fill(values.references, (page) =>
    db
      .insertInto('ix_reference')
      .values(page.map((item) => ({ resource: pk, param: item.param, target_type: item.targetType, target_id: item.targetId })))
      .execute(),
  );
  await fill(values.uris, (page) =>
    db
      .insertInto('ix_uri')
      .values(page.map((item) => ({ resource: pk, ...item })))
      .execute(),
  );
};

const CONSENT_LOCK = 7_155_047;

/** Changes must become visible in the order of their numbers, or a reader could pass over one: writers queue. */
const announceConsent = async (database: Database, db: Kysely<Schema>, patients: readonly string[]): Promise<void> => {
  if (database.dialect === 'postgres') await sql`SELECT pg_advisory_xact_lock(${CONSENT_LOCK})`.execute(db);
  for (const patient of patients) await db.insertInto('consent_change').values({ patient }).execute();
};
