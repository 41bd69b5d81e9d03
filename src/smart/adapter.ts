import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { GrantConflict, type GrantStore } from './ports.ts';

const now = (): number => Math.floor(Date.now() / 1000);

/**
 * oidc-provider's storage contract on our store. Two of its steps are find-then-save and would let two requests through at once;
 * here the database decides: a client assertion is inserted once, a code or refresh token is consumed once.
 */
export const adapterFor = (store: GrantStore, onChange: () => void) =>
  class StoreAdapter implements Adapter {
    readonly #model: string;

    constructor(model: string) {
      this.#model = model;
    }

    async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
      const expiresAt = expiresIn ? now() + expiresIn : 0;
      try {
        await store.upsert(this.#model, id, payload as Record<string, unknown>, expiresAt, this.#model === 'ReplayDetection');
      } catch (error) {
        if (error instanceof GrantConflict) throw new errors.InvalidClientAuth('client assertion was used before');
        throw error;
      }
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      const found = await store.find(this.#model, id);
      return found && ({ ...found.payload, ...(found.consumed ? { consumed: true } : {}) } as AdapterPayload);
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return (await store.findByUid(this.#model, uid))?.payload as AdapterPayload | undefined;
    }

    async findByUserCode(): Promise<undefined> {
      return undefined;
    }

    async consume(id: string): Promise<void> {
      if (!(await store.consume(this.#model, id))) throw new errors.InvalidGrant('already consumed');
    }

    async destroy(id: string): Promise<void> {
      await store.destroy(this.#model, id);
      onChange();
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      await store.revokeByGrantId(grantId);
      onChange();
    }
  };
