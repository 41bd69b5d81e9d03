import { randomBytes } from 'node:crypto';
import express, { type Request, type Response, type Router } from 'express';
import { parseScopes, scopeText } from '../access/scopes.ts';
import type { Log } from '../kernel/log.ts';
import { openidConfiguration, smartConfiguration } from './discovery.ts';
import { createInteraction } from './interaction.ts';
import type { SmartKeys } from './keys.ts';
import type { Accounts, GrantStore, PatientDirectory, SmartAudit } from './ports.ts';
import { createProvider } from './provider.ts';
import { createTokenReader, type ForgettingTokenReader } from './token-reader.ts';

export interface SmartDeps {
  readonly baseUrl: string;
  readonly store: GrantStore;
  readonly accounts: Accounts;
  readonly patients: PatientDirectory;
  readonly keys: SmartKeys;
  readonly audit: SmartAudit;
  readonly log: Log;
}

export interface Smart {
  /** mounted at /oidc */
  readonly router: Router;
  readonly tokens: ForgettingTokenReader;
  readonly smartConfiguration: () => Record<string, unknown>;
  readonly openidConfiguration: () => Record<string, unknown>;
}

const REQUEST_SECONDS = 60;

/** POSTed authorization requests become a redirect with a handle, so that cookies can stay SameSite=Lax and scopes may be long. */
const authorizationRequest = (store: GrantStore) => {
  const router = express.Router();
  router.post('/auth', express.urlencoded({ extended: false, limit: '64kb' }), async (request: Request, response: Response) => {
    const id = randomBytes(24).toString('base64url');
    const query = new URLSearchParams(request.body as Record<string, string>).toString();
    await store.saveRequest(id, query, Math.floor(Date.now() / 1000) + REQUEST_SECONDS);
    response.redirect(303, `/oidc/auth?smart_request=${id}`);
  });
  router.get('/auth', async (request, response, next) => {
    let parameters = new URL(request.url, 'http://localhost').searchParams;
    const handle = parameters.get('smart_request');
    if (handle !== null) {
      const query = await store.takeRequest(handle);
      if (query === undefined)
        return void response.status(400).type('text').send('The authorization request is over. Start again from the app.');
      parameters = new URLSearchParams(query);
    }
    if (parameters.has('scope')) {
      const scopes = parseScopes(parameters.get('scope')!);
      parameters.set('scope', scopeText(scopes));
      // offline_access is dropped without a consent prompt, which SMART apps never ask for.
      const prompts = (parameters.get('prompt') ?? '').split(' ').filter((prompt) => prompt !== '');
      if (scopes.some((scope) => scope.raw === 'offline_access') && !prompts.includes('consent') && !prompts.includes('none'))
        parameters.set('prompt', [...prompts, 'consent'].join(' '));
    }
    request.url = `/auth?${parameters}`;
    request.originalUrl = `/oidc/auth?${parameters}`;
    next();
  });
  return router;
};

/** The SMART authorization server. */
export const createSmart = (deps: SmartDeps): Smart => {
  const { baseUrl, store, audit, log } = deps;
  let tokens: ForgettingTokenReader | undefined;
  const provider = createProvider({ ...deps, onRevocation: () => tokens?.forget() });
  tokens = createTokenReader(provider, store, `${baseUrl}/fhir`);
  const router = express.Router();
  const callback = provider.callback();

  provider.on('grant.success', (ctx) => {
    const token = ctx.oidc.entities.AccessToken ?? ctx.oidc.entities.ClientCredentials;
    const tail = String((ctx.body as { access_token?: string } | undefined)?.access_token ?? '').slice(-32);
    const facts = {
      clientId: ctx.oidc.client?.clientId ?? '',
      subject: ctx.oidc.account?.accountId ?? ctx.oidc.client?.clientId ?? '',
      scope: token?.scope ?? '',
      tokenTail: tail,
      address: ctx.req.socket.remoteAddress ?? '',
    };
    audit.tokenIssued(facts).catch((error: unknown) => log.error('an issued token could not be recorded', { error }));
  });
  const refused = (
    ctx: { oidc?: { client?: { clientId?: string } }; req: { socket: { remoteAddress?: string } } },
    error: Error,
  ): void => {
    const facts = { clientId: ctx.oidc?.client?.clientId, reason: error.message, address: ctx.req.socket.remoteAddress ?? '' };
    audit.refused(facts).catch((failure: unknown) => log.error('a refusal could not be recorded', { error: failure }));
  };
  for (const event of ['grant.error', 'authorization.error', 'introspection.error', 'revocation.error'] as const)
    (provider as unknown as NodeJS.EventEmitter).on(event, refused);
  provider.on('server_error', (_ctx, error) => log.error('the authorization server failed', { error }));

  router.use(authorizationRequest(store));
  router.use('/interaction', createInteraction({ ...deps, provider }));
  // A public app that refreshes without its id (fhirclient does) is told by its token; a confidential one still needs its secret.
  router.post('/token', express.urlencoded({ extended: false, limit: '64kb' }), async (request, _response, next) => {
    const body = request.body as Record<string, unknown>;
    if (
      body.grant_type === 'refresh_token' &&
      typeof body.refresh_token === 'string' &&
      !body.client_id &&
      !body.client_assertion &&
      !request.headers.authorization
    ) {
      const known = await provider.RefreshToken.find(body.refresh_token, { ignoreExpiration: true });
      const client = known && (await provider.Client.find(known.clientId ?? ''));
      if (client?.clientAuthMethod === 'none') body.client_id = client.clientId;
    }
    next();
  });
  router.use((request, response) => callback(request, response));

  return {
    router,
    tokens,
    smartConfiguration: () => smartConfiguration(baseUrl),
    openidConfiguration: () => openidConfiguration(baseUrl),
  };
};
