import type Provider from 'oidc-provider';
import type { Principal, TokenReader } from '../access/principal.ts';
import { parseScopes } from '../access/scopes.ts';
import type { GrantStore } from './ports.ts';

const CACHE_MS = 1000;
const MAX_CACHED = 1000;
const TREAT = 'http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT';

interface Cached {
  readonly principal: Principal | undefined;
  readonly until: number;
}

export interface ForgettingTokenReader extends TokenReader {
  readonly forget: () => void;
}

const words = (text: unknown): string[] => (typeof text === 'string' ? text.split(' ').filter((word) => word !== '') : []);

/** Reads opaque tokens in process. A revocation here is seen at once, one on another server within a second. */
export const createTokenReader = (provider: Provider, store: GrantStore, fhirBase: string): ForgettingTokenReader => {
  const cache = new Map<string, Cached>();

  const load = async (token: string): Promise<Principal | undefined> => {
    const found = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
    if (!found?.isValid || found.aud !== fhirBase) return undefined;
    const client = await provider.Client.find(found.clientId ?? '');
    if (!client) return undefined;
    const { grantId, accountId, extra } = found as { grantId?: string; accountId?: string; extra?: Record<string, unknown> };
    const context = grantId === undefined ? undefined : await store.context(grantId);
    if (grantId !== undefined && (!context || !(await provider.Grant.find(grantId)))) return undefined;
    const fhirUser = context?.fhirUser ?? (extra?.fhirUser as string | undefined);
    const purposes =
      context?.purposes ?? (words(extra?.purposes).length > 0 ? words(extra?.purposes) : words(client.smart_purposes));
    return {
      subject: accountId ?? found.clientId!,
      clientId: found.clientId!,
      fhirUser,
      scopes: parseScopes(found.scope),
      patient: context?.patient ?? (extra?.patient as string | undefined),
      purposes: purposes.length > 0 ? purposes : [TREAT],
      actors: [...(fhirUser ? [fhirUser] : []), `Device/${found.clientId}`, ...words(client.smart_actors)],
      tokenTail: token.slice(-32),
    };
  };

  return {
    principalOf: async (token) => {
      const known = cache.get(token);
      if (known && known.until > Date.now()) return known.principal;
      const principal = await load(token);
      if (cache.size >= MAX_CACHED) cache.clear();
      if (principal) cache.set(token, { principal, until: Date.now() + CACHE_MS });
      return principal;
    },
    forget: () => cache.clear(),
  };
};
