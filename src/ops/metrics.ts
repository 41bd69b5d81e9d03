import express, { type RequestHandler, type Router } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface MetricsDeps {
  readonly jobs: () => Promise<Partial<Record<string, number>>>;
  readonly auditSize: () => number;
}

/** Prometheus metrics. Labels are route groups, methods, statuses and job states: never a UID, a name or a path. */
export const createMetrics = (deps: MetricsDeps): { readonly measure: RequestHandler; readonly router: Router } => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'isthmus_http_requests_total',
    help: 'HTTP requests',
    labelNames: ['surface', 'method', 'status'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'isthmus_http_request_seconds',
    help: 'HTTP request duration',
    labelNames: ['surface'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  new Gauge({
    name: 'isthmus_jobs',
    help: 'AI jobs by state',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const [state, count] of Object.entries(await deps.jobs())) this.set({ state }, count ?? 0);
    },
  });
  new Gauge({
    name: 'isthmus_audit_events',
    help: 'Events in the audit log',
    registers: [registry],
    collect() {
      this.set(deps.auditSize());
    },
  });
  const SURFACES = new Set(['dicom-web', 'fhir', 'oidc', 'livez', 'readyz', 'metrics', 'viewer', 'assets']);
  const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
  const router = express.Router();
  router.get('/metrics', async (_request, response) => void response.type(registry.contentType).send(await registry.metrics()));
  return {
    measure: (request, response, next) => {
      const first = request.path.split('/')[1] ?? '';
      const surface = SURFACES.has(first) ? first : 'console';
      const end = seconds.startTimer({ surface });
      response.on('finish', () => {
        end();
        requests.inc({
          surface,
          method: METHODS.has(request.method) ? request.method : 'other',
          status: String(response.statusCode),
        });
      });
      next();
    },
    router,
  };
};
