import Provider, { type ClientMetadata, type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { scopeText } from '../access/scopes.ts';
import { adapterFor } from './adapter.ts';
import type { SmartKeys } from './keys.ts';
import type { Accounts, GrantStore } from './ports.ts';
import { allowedScopes, IDENTITY_SCOPES } from './scope-policy.ts';

const now = (): number => Math.floor(Date.now() / 1000);
const ASSERTION_MAX_SECONDS = 300;
const SKEW_SECONDS = 15;
const USER_TOKEN_SECONDS = 3600;
const BACKEND_TOKEN_SECONDS = 300;
const DAY = 86_400;

export interface ProviderDeps {
  readonly baseUrl: string;
  readonly store: GrantStore;
  readonly accounts: Accounts;
  readonly keys: SmartKeys;
  /** a token or grant went away: whatever remembers tokens must forget */
  readonly onRevocation: () => void;
}

const withoutSlash = (url: unknown): string => String(url ?? '').replace(/\/+$/, '');

const askedScope = (ctx: KoaContextWithOIDC): string => {
  const { AuthorizationCode, RefreshToken } = ctx.oidc.entities;
  return [ctx.oidc.params?.scope, AuthorizationCode?.scope, RefreshToken?.scope]
    .filter((scope) => typeof scope === 'string')
    .join(' ');
};

/** Resource scopes of one request: the dynamic part of SMART scopes, decided per client. */
const resourceServer = (fhir: string): NonNullable<NonNullable<Configuration['features']>['resourceIndicators']> => ({
  enabled: true,
  useGrantedResource: async () => true,
  defaultResource: async (ctx) =>
    ctx.oidc.route === 'token' || withoutSlash(ctx.oidc.params?.aud) === fhir ? fhir : (undefined as unknown as string),
  getResourceServerInfo: async (ctx, resource, client) => {
    if (resource !== fhir) throw new errors.InvalidTarget();
    const isBackend = ctx.oidc.params?.grant_type === 'client_credentials';
    const allowed = allowedScopes(askedScope(ctx), client.smart_scopes as string | undefined, isBackend);
    if (isBackend && allowed.length === 0)
      throw new errors.InvalidScope('no requested scope is registered for this client', String(ctx.oidc.params?.scope ?? ''));
    return {
      scope: scopeText(allowed),
      audience: fhir,
      accessTokenTTL: isBackend ? BACKEND_TOKEN_SECONDS : USER_TOKEN_SECONDS,
      accessTokenFormat: 'opaque',
    };
  },
});

/** SMART backend services: short-lived, one key named by kid, never a key URL of the token's own (SMART App Launch 2.2). */
const checkAssertion: Configuration['assertJwtClientAuthClaimsAndHeader'] = async (ctx, claims, header, client) => {
  const refuse = (reason: string): never => {
    throw new errors.InvalidClientAuth(reason);
  };
  const token = ctx.oidc.urlFor('token');
  if (typeof claims.exp !== 'number' || claims.exp > now() + ASSERTION_MAX_SECONDS + SKEW_SECONDS)
    refuse('exp is more than five minutes ahead');
  if (claims.aud !== token && !(Array.isArray(claims.aud) && claims.aud.includes(token))) refuse('aud is not the token endpoint');
  if (!header.kid) refuse('kid is required');
  if (header.jku !== undefined && header.jku !== client.jwksUri) refuse('jku is not the registered JWKS URL');
};

/** oidc-provider as a SMART authorization server: opaque tokens, PKCE always, a grant of its own for each launch. */
export const createProvider = ({ baseUrl, store, accounts, keys, onRevocation }: ProviderDeps): Provider => {
  const fhir = `${baseUrl}/fhir`;
  const isOnline = async (uid: string | undefined, subject: string): Promise<boolean> => {
    const session = uid === undefined ? undefined : await provider.Session.findByUid(uid);
    return session?.accountId === subject && (session?.exp ?? 0) > now();
  };
  const configuration: Configuration = {
    adapter: adapterFor(store, onRevocation),
    jwks: keys.jwks as unknown as NonNullable<Configuration['jwks']>,
    cookies: { keys: keys.cookieKeys, short: { httpOnly: true, sameSite: 'lax' }, long: { httpOnly: true, sameSite: 'lax' } },
    scopes: IDENTITY_SCOPES,
    claims: {
      acr: null,
      amr: null,
      auth_time: null,
      openid: ['sub', 'amr', 'acr', 'auth_time'],
      fhirUser: ['fhirUser'],
      profile: ['name'],
    },
    responseTypes: ['code'],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384', 'RS256', 'ES256'], idTokenSigningAlgValues: ['RS256', 'ES384'] },
    clientDefaults: {
      id_token_signed_response_alg: 'RS256',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    extraClientMetadata: { properties: ['smart_scopes', 'smart_purposes', 'smart_actors', 'allowed_origins'], validator() {} },
    pkce: { required: () => true },
    extraParams: {
      aud: async (_ctx, value) => {
        if (withoutSlash(value) !== fhir) throw new errors.InvalidRequest('aud must be the FHIR endpoint of this server');
      },
      launch: async (ctx, value) => {
        if (value || ctx.oidc.requestParamScopes.has('launch'))
          throw new errors.InvalidRequest('launch from an EHR is not available');
      },
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => client.clientAuthMethod !== 'none' || token.clientId === client.clientId,
      },
      resourceIndicators: resourceServer(fhir),
    },
    findAccount: async (_ctx, subject, token) => {
      const bound = token?.kind === 'RefreshToken' && token.scopes.has('online_access') && !token.scopes.has('offline_access');
      if (bound && !(await isOnline((token as { sessionUid?: string }).sessionUid, subject))) return undefined;
      const account = await accounts.find(subject);
      return (
        account && {
          accountId: subject,
          claims: async () => ({ sub: subject, name: account.name, fhirUser: `${fhir}/${account.fhirUser}` }),
        }
      );
    },
    loadExistingGrant: async (ctx) =>
      ctx.oidc.result?.consent?.grantId ? ctx.oidc.provider.Grant.find(ctx.oidc.result.consent.grantId) : undefined,
    extraTokenClaims: async (_ctx, token) => {
      const context = 'grantId' in token && token.grantId ? await store.context(token.grantId as string) : undefined;
      if (!context) return undefined;
      return {
        ...(context.patient ? { patient: context.patient, need_patient_banner: true } : {}),
        ...(context.fhirUser && token.scopes.has('fhirUser') ? { fhirUser: `${fhir}/${context.fhirUser}` } : {}),
      };
    },
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') && (code.scopes.has('offline_access') || code.scopes.has('online_access')),
    expiresWithSession: async () => false,
    rotateRefreshToken: () => true,
    ttl: { AuthorizationCode: 60, Interaction: 900, Session: 3600, IdToken: 3600, RefreshToken: 92 * DAY, Grant: 93 * DAY },
    assertJwtClientAuthClaimsAndHeader: checkAssertion,
    fetch: (url, options) => globalThis.fetch(url as URL, { ...(options as RequestInit), redirect: 'error' }) as never,
    clientBasedCORS: (_ctx, origin, client) =>
      [...(client.redirectUris ?? []), ...((client.allowed_origins as string[] | undefined) ?? [])].some(
        (url) => URL.parse(url)?.origin === origin,
      ),
    interactions: { url: (_ctx, interaction) => `/oidc/interaction/${interaction.uid}` },
    renderError: async (ctx, out) => {
      ctx.type = 'html';
      ctx.body = `<!doctype html><html lang="en"><title>Sign-in stopped</title><link rel="stylesheet" href="/assets/isthmus.css"><main><h1>Sign-in stopped</h1><p>${escapeHtml(String(out.error_description ?? out.error))}</p></main></html>`;
    },
  };
  const provider = new Provider(`${baseUrl}/oidc`, configuration);
  // The issuer is fixed; what a proxy or a client says of host and scheme is not believed.
  provider.proxy = baseUrl.startsWith('https:');
  provider.use(contextInTokenResponse);
  return provider;
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** SMART puts patient and context beside the token, on refresh too; OAuth clients of old want Pragma. */
const contextInTokenResponse = async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
  await next();
  if (ctx.oidc?.route !== 'token') return;
  ctx.set('pragma', 'no-cache');
  const extra = (ctx.oidc.entities.AccessToken as { extra?: Record<string, unknown> } | undefined)?.extra;
  const body = ctx.body as Record<string, unknown> | undefined;
  if (ctx.status === 200 && body && extra)
    for (const [key, value] of Object.entries(extra)) if (!(key in body)) body[key] = value;
};

export type SmartClientMetadata = ClientMetadata & { smart_scopes?: string; smart_purposes?: string; smart_actors?: string };
