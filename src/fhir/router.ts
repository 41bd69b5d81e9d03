import express, { type Request, type Response, type Router } from 'express';
import type { Principal } from '../access/principal.ts';
import { asFault, Fault } from '../kernel/fault.ts';
import { applyCors, requestIdOf } from '../kernel/http.ts';
import { capabilityStatement, RESOURCE_TYPES } from './capability.ts';
import { type FhirDeps, type Handler, InvalidResource } from './context.ts';
import { FHIR_JSON, sendOutcome } from './outcome.ts';
import { read, vread } from './read.ts';
import { search } from './search-handler.ts';
import { create, update } from './write.ts';

interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

/** All there is (R4 http.html); the capability statement is made from the same facts. */
const ROUTES: readonly Route[] = [
  { path: '/:type/_search', methods: { POST: search } },
  { path: '/:type', methods: { GET: search, HEAD: search, POST: create } },
  { path: '/:type/:id', methods: { GET: read, HEAD: read, PUT: update } },
  { path: '/:type/:id/_history/:version', methods: { GET: vread, HEAD: vread } },
];

const EXPOSED = 'ETag, Location, Content-Location, Last-Modified, WWW-Authenticate, X-Request-Id';
const METHODS = 'GET, HEAD, POST, PUT, OPTIONS';
const TYPES: ReadonlySet<string> = new Set(RESOURCE_TYPES);
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** @throws Fault `notAcceptable`: JSON is what there is */
const checkFormat = (request: Request): void => {
  const asked = new URL(request.url, 'http://localhost').searchParams.get('_format') ?? request.headers.accept ?? '*/*';
  if (!/json|\*\/\*|application\/\*/i.test(asked))
    throw new Fault('notAcceptable', 'Resources are given as application/fhir+json');
};

/** FHIR R4, mounted at /fhir. */
export const createFhir = (deps: FhirDeps, version: string): Router => {
  const router = express.Router({ caseSensitive: true });
  const base = `${deps.config.baseUrl}/fhir`;

  const handle = (route: Route) => async (request: Request, response: Response) => {
    const requestId = requestIdOf(request, response);
    const { type, id, version: versionId } = request.params as Record<string, string | undefined>;
    let principal: Principal | undefined;
    const facts = () => ({
      requestId,
      principal,
      address: request.socket.remoteAddress ?? '',
      method: request.method,
      route: route.path,
    });
    response.setHeader('Cache-Control', 'private, no-cache');
    response.appendHeader('Vary', 'Authorization, Accept');
    try {
      if (applyCors(request, response, { origins: deps.config.corsOrigins, methods: METHODS, exposed: EXPOSED })) return;
      principal = await deps.gate.authenticate(request.headers.authorization);
      const asked = principal;
      if (type === undefined || !TYPES.has(type) || (id !== undefined && !ID.test(id)))
        throw new Fault('unknown', 'No such resource');
      const handler = route.methods[request.method];
      if (!handler)
        throw new Fault('notAllowed', 'This resource does not know the method', { allow: Object.keys(route.methods) });
      checkFormat(request);
      await handler({
        ...deps,
        request,
        response,
        requestId,
        principal,
        type,
        id,
        versionId,
        base,
        facts: facts(),
        view: (interaction, of = type) => deps.gate.view(asked, of, interaction),
      });
    } catch (error) {
      await refuse(deps, request, response, asFault(error), facts(), { type, id });
    }
  };

  /** Documents that tell of the server, not of patients: no token, any browser app may read them. */
  const open = (document: () => unknown, contentType: string) => (request: Request, response: Response) => {
    requestIdOf(request, response);
    response.setHeader('Access-Control-Allow-Origin', '*');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return sendOutcome(response, new Fault('notAllowed', 'This resource does not know the method'));
    }
    const body = Buffer.from(JSON.stringify(document()));
    response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  };

  router.all(
    '/metadata',
    open(() => capabilityStatement(deps.config.baseUrl, version), FHIR_JSON),
  );
  router.all('/.well-known/smart-configuration', open(deps.smartConfiguration, 'application/json'));
  router.all('/.well-known/openid-configuration', open(deps.openidConfiguration, 'application/json'));
  for (const route of ROUTES) router.all(route.path, handle(route));
  router.use((request: Request, response: Response) => handle({ path: '/', methods: {} })(request, response));
  return router;
};

const refuse = async (
  deps: FhirDeps,
  request: Request,
  response: Response,
  found: Fault,
  facts: Parameters<FhirDeps['audit']['refused']>[0],
  target: { type: string | undefined; id: string | undefined },
): Promise<void> => {
  let fault = found;
  if (fault.code === 'bug')
    deps.log.error('a FHIR request failed', { requestId: facts.requestId, route: facts.route, error: fault.cause });
  try {
    await deps.audit.refused(facts, fault.status, fault.code, target);
  } catch (error) {
    deps.log.error('a refusal could not be recorded', { requestId: facts.requestId, error });
    fault = new Fault('busy', 'The server can not record accesses now', { retryAfterSeconds: 30 });
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (!request.complete) response.setHeader('Connection', 'close');
  sendOutcome(response, fault, fault instanceof InvalidResource ? fault.issues : undefined);
};
