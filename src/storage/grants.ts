import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { type Accounts, GrantConflict, type GrantStore, type LaunchContext, type StoredArtefact } from '../smart/ports.ts';
import { type Database, writing } from './database.ts';

/** Artefacts whose id is what the bearer shows: stored under a digest, so that a copy of the database opens nothing. */
const BEARER = new Set(['AccessToken', 'RefreshToken', 'AuthorizationCode', 'ClientCredentials']);

const keyOf = (model: string, id: string): string =>
  BEARER.has(model) ? createHash('sha256').update(id).digest('base64url') : id;

export const createGrantStore = (database: Database, clock: Clock): GrantStore => {
  const seconds = (): number => Math.floor(clock.now() / 1000);
  const asArtefact = (
    row: { payload: string; consumed_at: number; expires_at: number } | undefined,
  ): StoredArtefact | undefined =>
    row && (row.expires_at === 0 || row.expires_at > seconds())
      ? { payload: JSON.parse(row.payload) as Record<string, unknown>, consumed: row.consumed_at > 0 }
      : undefined;

  const find = async (model: string, id: string): Promise<StoredArtefact | undefined> => {
    const key = keyOf(model, id);
    const found = asArtefact(
      await database.reader.selectFrom('oidc').selectAll().where('model', '=', model).where('id', '=', key).executeTakeFirst(),
    );
    return found && BEARER.has(model) ? { ...found, payload: { ...found.payload, jti: id } } : found;
  };

  return {
    upsert: (model, id, payload, expiresAt, once) =>
      database.transaction(async (tx) => {
        const kept = BEARER.has(model) ? { ...payload, jti: undefined } : payload;
        const row = {
          model,
          id: keyOf(model, id),
          payload: JSON.stringify(kept),
          grant_id: String(payload.grantId ?? ''),
          uid: String(payload.uid ?? ''),
          consumed_at: 0,
          expires_at: expiresAt,
        };
        const insert = writing(tx).insertInto('oidc').values(row);
        const written = once
          ? await insert
              .onConflict((conflict) => conflict.columns(['model', 'id']).doNothing())
              .returning('id')
              .executeTakeFirst()
          : await insert
              .onConflict((conflict) =>
                conflict
                  .columns(['model', 'id'])
                  .doUpdateSet({ payload: row.payload, grant_id: row.grant_id, uid: row.uid, expires_at: expiresAt }),
              )
              .returning('id')
              .executeTakeFirst();
        if (!written) throw new GrantConflict('the artefact exists');
        await writing(tx)
          .deleteFrom('oidc')
          .where('expires_at', '>', 0)
          .where('expires_at', '<', seconds() - 86_400)
          .execute();
      }),
    find,
    findByUid: async (model, uid) =>
      asArtefact(
        await database.reader.selectFrom('oidc').selectAll().where('model', '=', model).where('uid', '=', uid).executeTakeFirst(),
      ),
    consume: (model, id) =>
      database.transaction(async (tx) => {
        const result = await writing(tx)
          .updateTable('oidc')
          .set({ consumed_at: seconds() })
          .where('model', '=', model)
          .where('id', '=', keyOf(model, id))
          .where('consumed_at', '=', 0)
          .executeTakeFirst();
        return Number(result.numUpdatedRows) === 1;
      }),
    destroy: (model, id) =>
      database.transaction(async (tx) => {
        await writing(tx).deleteFrom('oidc').where('model', '=', model).where('id', '=', keyOf(model, id)).execute();
      }),
    revokeByGrantId: (grantId) =>
      database.transaction(async (tx) => {
        await writing(tx).deleteFrom('oidc').where('grant_id', '=', grantId).execute();
        await writing(tx).deleteFrom('smart_context').where('grant_id', '=', grantId).execute();
      }),
    list: async (model) =>
      (await database.reader.selectFrom('oidc').select('payload').where('model', '=', model).orderBy('id').execute()).map(
        (row) => JSON.parse(row.payload) as Record<string, unknown>,
      ),
    saveContext: (grantId, context) =>
      database.transaction(async (tx) => {
        const text = JSON.stringify(context);
        await writing(tx)
          .insertInto('smart_context')
          .values({ grant_id: grantId, context: text })
          .onConflict((conflict) => conflict.column('grant_id').doUpdateSet({ context: text }))
          .execute();
      }),
    context: async (grantId) => {
      const row = await database.reader
        .selectFrom('smart_context')
        .select('context')
        .where('grant_id', '=', grantId)
        .executeTakeFirst();
      return row && (JSON.parse(row.context) as LaunchContext);
    },
    saveRequest: (id, query, expiresAt) =>
      database.transaction(async (tx) => {
        await writing(tx).insertInto('authorization_request').values({ id, query, expires_at: expiresAt }).execute();
      }),
    takeRequest: (id) =>
      database.transaction(async (tx) => {
        const row = await writing(tx)
          .deleteFrom('authorization_request')
          .where('id', '=', id)
          .returning(['query', 'expires_at'])
          .executeTakeFirst();
        return row && row.expires_at > seconds() ? row.query : undefined;
      }),
  };
};

const MAX_FAILURES = 5;
const LOCK_MS = 60_000;

const derive = (password: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(password, salt, 32, { N: 16_384, r: 8, p: 1 }, (error, key) => (error ? reject(error) : resolve(key))),
  );

const sealed = async (password: string): Promise<string> => {
  const salt = randomBytes(16);
  return `${salt.toString('base64')}:${(await derive(password, salt)).toString('base64')}`;
};

const opens = async (password: string, kept: string): Promise<boolean> => {
  const [salt, key] = kept.split(':').map((part) => Buffer.from(part, 'base64'));
  return timingSafeEqual(await derive(password, salt!), key!);
};

/** An account nobody has, so that an unknown name takes as long as a wrong password. */
const NOBODY = `${Buffer.alloc(16).toString('base64')}:${Buffer.alloc(32).toString('base64')}`;

export const createAccounts = (database: Database, clock: Clock): Accounts => {
  const row = (id: string) => database.reader.selectFrom('account').selectAll().where('id', '=', id).executeTakeFirst();
  const asAccount = (found: NonNullable<Awaited<ReturnType<typeof row>>>) => ({
    id: found.id,
    name: found.name,
    fhirUser: found.fhir_user,
    patients: found.patients === '*' ? undefined : found.patients.split(' ').filter((patient) => patient !== ''),
  });
  return {
    add: async (account, password) => {
      const kept = await sealed(password);
      await database.transaction(async (tx) => {
        const values = {
          password: kept,
          name: account.name,
          fhir_user: account.fhirUser,
          patients: account.patients ? account.patients.join(' ') : '*',
          failures: 0,
          locked_until: 0,
        };
        await writing(tx)
          .insertInto('account')
          .values({ id: account.id, ...values })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
          .execute();
      });
    },
    find: async (id) => {
      const found = await row(id);
      return found && asAccount(found);
    },
    signIn: async (id, password) => {
      const found = await row(id);
      if (found && found.locked_until > clock.now()) return 'locked';
      const right = await opens(password, found?.password ?? NOBODY);
      if (!found) return 'refused';
      await database.transaction(async (tx) => {
        const failures = right ? 0 : found.failures + 1;
        const lock = failures >= MAX_FAILURES;
        await writing(tx)
          .updateTable('account')
          .set({ failures: lock ? 0 : failures, locked_until: lock ? clock.now() + LOCK_MS : 0 })
          .where('id', '=', id)
          .execute();
      });
      return right ? asAccount(found) : 'refused';
    },
  };
};
