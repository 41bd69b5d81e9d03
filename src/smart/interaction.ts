import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type Provider from 'oidc-provider';
import { covers, parseScopes, scopeText } from '../access/scopes.ts';
import { consentPage, PAGE_HEADERS, signInPage } from './pages.ts';
import type { Accounts, GrantStore, PatientDirectory, SmartAudit } from './ports.ts';
import { allowedScopes, IDENTITY_SCOPES } from './scope-policy.ts';

const TREAT = 'http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT';

export interface InteractionDeps {
  readonly provider: Provider;
  readonly baseUrl: string;
  readonly store: GrantStore;
  readonly accounts: Accounts;
  readonly patients: PatientDirectory;
  readonly audit: SmartAudit;
}

type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

/** Forms are posted by our own pages only (OWASP: Fetch metadata and Origin). */
const sameOrigin =
  (baseUrl: string): RequestHandler =>
  (request, response, next) => {
    const { origin } = request.headers;
    const site = request.headers['sec-fetch-site'];
    if (
      (origin !== undefined && origin !== 'null' && origin !== new URL(baseUrl).origin) ||
      (site !== undefined && site !== 'same-origin')
    ) {
      response.status(403).end();
      return;
    }
    next();
  };

const clientName = async (provider: Provider, details: Details): Promise<string> => {
  const client = await provider.Client.find(String(details.params.client_id));
  return client?.clientName ?? String(details.params.client_id);
};

const askedScopes = async (provider: Provider, details: Details) => {
  const client = await provider.Client.find(String(details.params.client_id));
  return allowedScopes(String(details.params.scope ?? ''), client?.smart_scopes as string | undefined, false);
};

/** Sign-in and consent pages of a launch. */
export const createInteraction = (deps: InteractionDeps): Router => {
  const { provider, accounts, store, patients, audit } = deps;
  const router = express.Router();
  const form = express.urlencoded({ extended: false, limit: '64kb' });
  const send = (response: Response, status: number, html: string): void =>
    void response.status(status).set(PAGE_HEADERS).send(html);

  const showConsent = async (response: Response, details: Details): Promise<void> => {
    const scopes = await askedScopes(provider, details);
    const account = await accounts.find(details.session!.accountId);
    const needsPatient = scopes.some(
      (scope) => scope.raw === 'launch/patient' || (scope.kind === 'resource' && scope.context === 'patient'),
    );
    const choices = needsPatient ? await patients.list(account?.patients, '') : undefined;
    send(response, 200, consentPage({ client: await clientName(provider, details), scopes, patients: choices }));
  };

  const signIn = async (request: Request, response: Response, details: Details): Promise<void> => {
    const { username, password } = request.body as Record<string, unknown>;
    const result = await accounts.signIn(String(username ?? '').slice(0, 200), String(password ?? '').slice(0, 1000));
    await audit.signIn({
      subject: typeof result === 'string' ? '' : result.id,
      success: typeof result !== 'string',
      address: request.socket.remoteAddress ?? '',
    });
    if (result === 'locked') {
      response.set('Retry-After', '60');
      return send(response, 429, signInPage(await clientName(provider, details), 'Too many attempts. Try again in a minute.'));
    }
    if (result === 'refused')
      return send(response, 401, signInPage(await clientName(provider, details), 'User name or password is wrong.'));
    await provider.interactionFinished(
      request,
      response,
      { login: { accountId: result.id, amr: ['pwd'], remember: true } },
      { mergeWithLastSubmission: false },
    );
  };

  const grant = async (request: Request, response: Response, details: Details): Promise<void> => {
    const deny = (description: string) =>
      provider.interactionFinished(
        request,
        response,
        { error: 'access_denied', error_description: description },
        { mergeWithLastSubmission: false },
      );
    const body = request.body as { scope?: string | string[]; patient?: string; decision?: string };
    if (body.decision === 'deny') return deny('the user did not allow access');
    const accountId = details.session!.accountId;
    const account = await accounts.find(accountId);
    const asked = await askedScopes(provider, details);
    // Only what was asked, or less: a form that was tampered with gains nothing.
    const picked = parseScopes([body.scope ?? []].flat().join(' ')).filter((scope) =>
      asked.some((one) => one.raw === scope.raw || covers(one, scope)),
    );
    const patient = typeof body.patient === 'string' && body.patient !== '' ? body.patient : undefined;
    if (picked.length === 0) return deny('nothing was granted');
    if (picked.some((scope) => scope.kind === 'resource' && scope.context === 'patient') && patient === undefined)
      return deny('no patient was chosen');
    if (patient !== undefined && !(await patients.list(account?.patients, '')).some((choice) => choice.id === patient))
      return deny('the patient may not be chosen');
    const clientId = String(details.params.client_id);
    const launch = new provider.Grant({ accountId, clientId });
    launch.addOIDCScope(
      picked
        .filter((scope) => IDENTITY_SCOPES.includes(scope.raw))
        .map((scope) => scope.raw)
        .join(' ') || 'openid',
    );
    launch.addResourceScope(`${deps.baseUrl}/fhir`, scopeText(picked));
    const grantId = await launch.save();
    const client = await provider.Client.find(clientId);
    const purposes = String(client?.smart_purposes ?? '')
      .split(' ')
      .filter((purpose) => purpose !== '');
    await store.saveContext(grantId, {
      ...(patient ? { patient } : {}),
      ...(account ? { fhirUser: account.fhirUser } : {}),
      purposes: purposes.length > 0 ? purposes : [TREAT],
    });
    // What is asked from here on is what was granted.
    details.params.scope = scopeText(picked);
    await details.save(details.exp - Math.floor(Date.now() / 1000));
    await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  };

  const guarded =
    (work: (request: Request, response: Response, details: Details) => Promise<void>) =>
    async (request: Request, response: Response) => {
      try {
        const details = await provider.interactionDetails(request, response);
        if (details.uid !== request.params.uid)
          return send(response, 400, signInPage('this app', 'This page belongs to another sign-in. Start again from the app.'));
        await work(request, response, details);
      } catch (error) {
        if ((error as { name?: string }).name !== 'SessionNotFound') throw error;
        send(response, 400, signInPage('this app', 'This sign-in is over. Start again from the app.'));
      }
    };

  router.get(
    '/:uid',
    guarded(async (_request, response, details) =>
      details.prompt.name === 'login'
        ? send(response, 200, signInPage(await clientName(provider, details)))
        : showConsent(response, details),
    ),
  );
  router.post(
    '/:uid',
    sameOrigin(deps.baseUrl),
    form,
    guarded((request, response, details) => (details.prompt.name === 'login' ? signIn : grant)(request, response, details)),
  );
  return router;
};
