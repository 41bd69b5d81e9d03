import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import type { Principal } from '../access/principal.ts';
import { isUid } from '../dicom/uid.ts';
import { asFault, Fault } from '../kernel/fault.ts';
import { applyCors, requestIdOf } from '../kernel/http.ts';
import { bulkdata } from './bulkdata.ts';
import type { Context, DicomwebDeps, Handler } from './context.ts';
import { frames } from './frames.ts';
import { metadata } from './metadata.ts';
import { qido } from './qido.ts';
import { retrieve } from './retrieve.ts';
import { sendFault } from './status-report.ts';
import { stow } from './stow.ts';

interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

const STUDY = '/studies/:study';
const SERIES = `${STUDY}/series/:series`;
const INSTANCE = `${SERIES}/instances/:instance`;

const read = (handler: Handler): Route['methods'] => ({ GET: handler, HEAD: handler });

/** All there is (PS3.18 §10): whatever is not in this table does not exist and is advertised nowhere. */
export const ROUTES: readonly Route[] = [
  { path: '/studies', methods: { ...read(qido('study')), POST: stow } },
  { path: '/series', methods: read(qido('series')) },
  { path: '/instances', methods: read(qido('instance')) },
  { path: STUDY, methods: { ...read(retrieve), POST: stow } },
  { path: `${STUDY}/metadata`, methods: read(metadata) },
  { path: `${STUDY}/series`, methods: read(qido('series')) },
  { path: `${STUDY}/instances`, methods: read(qido('instance')) },
  { path: SERIES, methods: read(retrieve) },
  { path: `${SERIES}/metadata`, methods: read(metadata) },
  { path: `${SERIES}/instances`, methods: read(qido('instance')) },
  { path: INSTANCE, methods: read(retrieve) },
  { path: `${INSTANCE}/metadata`, methods: read(metadata) },
  { path: `${INSTANCE}/frames/:frames`, methods: read(frames) },
  { path: `${INSTANCE}/bulkdata/*path`, methods: read(bulkdata) },
];

const EXPOSED = 'Content-Location, Warning, ETag, X-Request-Id';

const pathOf = (request: Request): Context['path'] => {
  const parameters = request.params as Record<string, string | string[] | undefined>;
  const uid = (name: string): string | undefined => {
    const value = parameters[name] as string | undefined;
    if (value !== undefined && !isUid(value)) throw new Fault('malformed', `The ${name} is not named by a UID`);
    return value;
  };
  const { path, frames: list } = parameters;
  return {
    study: uid('study'),
    series: uid('series'),
    instance: uid('instance'),
    rest: Array.isArray(path) ? path.join('/') : (list as string | undefined),
  };
};

/** DICOMweb, mounted at /dicom-web. */
export const createDicomweb = (deps: DicomwebDeps): Router => {
  const router = express.Router({ caseSensitive: true, strict: false });
  const root = `${deps.config.baseUrl}/dicom-web`;

  const handle = (route: Route) => async (request: Request, response: Response) => {
    const requestId = requestIdOf(request, response);
    let principal: Principal | undefined;
    response.setHeader('Cache-Control', 'private, no-cache');
    response.appendHeader('Vary', 'Authorization, Accept');
    try {
      if (
        applyCors(request, response, {
          origins: deps.config.corsOrigins,
          methods: Object.keys(route.methods).join(', '),
          exposed: EXPOSED,
        })
      )
        return;
      const handler = route.methods[request.method];
      if (!handler)
        throw new Fault('notAllowed', 'This resource does not know the method', { allow: Object.keys(route.methods) });
      principal = await deps.gate.authenticate(request.headers.authorization);
      const asked = principal;
      await handler({
        ...deps,
        request,
        response,
        requestId,
        principal,
        path: pathOf(request),
        root,
        view: (interaction) => deps.gate.view(asked, 'ImagingStudy', interaction),
      });
    } catch (error) {
      await refuse(deps, { request, response, requestId, principal, route: route.path }, error);
    }
  };

  for (const route of ROUTES) router.all(route.path, handle(route));
  router.options('/', (request, response) => {
    if (applyCors(request, response, { origins: deps.config.corsOrigins, methods: 'GET, POST, OPTIONS', exposed: EXPOSED }))
      return;
    response.json({ service: root, resources: ROUTES.map(({ path, methods }) => ({ path, methods: Object.keys(methods) })) });
  });
  const nowhere: Handler = async () => {
    throw new Fault('unknown', 'No such resource');
  };
  const undecodable: Handler = async () => {
    throw new Fault('malformed', 'The path is not percent-encoded text');
  };
  router.use((request: Request, response: Response) =>
    handle({ path: '/', methods: { [request.method]: nowhere } })(request, response),
  );
  // A path that can not even be decoded never reaches a route.
  router.use((_error: unknown, request: Request, response: Response, _next: NextFunction) =>
    handle({ path: '/', methods: { [request.method]: undecodable } })(request, response),
  );
  return router;
};

interface Refused {
  readonly request: Request;
  readonly response: Response;
  readonly requestId: string;
  readonly principal: Principal | undefined;
  readonly route: string;
}

/** Not in any standard, but what logs of proxies call a client that left before the answer. */
const CLIENT_LEFT = 499;

const hasLeft = (request: Request, error: unknown): boolean =>
  request.destroyed && !request.complete && !(error instanceof Fault);

const refuse = async (deps: DicomwebDeps, refused: Refused, error: unknown): Promise<void> => {
  const { request, response, requestId, principal, route } = refused;
  const left = hasLeft(request, error);
  let fault = asFault(error);
  if (!left && fault.code === 'bug')
    deps.log.error('a DICOMweb request failed', { requestId, route, error: fault.cause ?? fault });
  else if (!left && fault.status >= 500)
    deps.log.warn('a DICOMweb request was refused', { requestId, route, status: fault.status });
  try {
    const facts = { requestId, principal, address: request.socket.remoteAddress ?? '', method: request.method, route };
    const [status, reason] = left ? [CLIENT_LEFT, 'client-left'] : [fault.status, fault.code];
    await deps.audit.refused(facts, status, reason, request.params?.study as string | undefined);
  } catch (failure) {
    deps.log.error('a refusal could not be recorded', { requestId, error: failure });
    fault = new Fault('busy', 'The server can not record accesses now', { retryAfterSeconds: 30 });
  }
  if (left || response.headersSent) response.destroy();
  else await sendFault(request, response, fault, requestId);
};
