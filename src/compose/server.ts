import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { matchesSearchRequest, parseSearchRequest } from '@medplum/core';
import type { Resource as CoreResource } from '@medplum/fhirtypes';
import express, { type Express } from 'express';
import { createConsentJudge } from '../access/consents.ts';
import { createGate } from '../access/create-gate.ts';
import { openAuditKeys } from '../audit/keys.ts';
import { createAuditLog } from '../audit/log.ts';
import { validateConsent } from '../consent/validate.ts';
import { createDicomweb } from '../dicomweb/router.ts';
import { InvalidResource } from '../fhir/context.ts';
import { loadDefinitions } from '../fhir/definitions.ts';
import { createFhir } from '../fhir/router.ts';
import { createBullDoorbell } from '../jobs/bull-doorbell.ts';
import { createEmbeddedDoorbell } from '../jobs/embedded-doorbell.ts';
import { createPlanner } from '../jobs/planner.ts';
import { BUILT_IN_RULES } from '../jobs/rules.ts';
import { createRunner } from '../jobs/runner.ts';
import { JOB_READY } from '../jobs/topics.ts';
import { systemClock } from '../kernel/clock.ts';
import { baseUrlOf, type Config, listenAddress, refuseInsecureListener } from '../kernel/config.ts';
import { lock } from '../kernel/lock.ts';
import { createLog, type Log } from '../kernel/log.ts';
import { runPeriodically } from '../kernel/periodic.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import { createModelRegistry } from '../models/registry.ts';
import { createSandbox } from '../models/sandbox.ts';
import { createHealth } from '../ops/health.ts';
import { createMetrics } from '../ops/metrics.ts';
import { task } from '../results/fhir.ts';
import { createSmart } from '../smart/create.ts';
import { openSmartKeys } from '../smart/keys.ts';
import { createConsentSource } from '../storage/consents.ts';
import { createAccounts, createGrantStore } from '../storage/grants.ts';
import { createJobTable } from '../storage/jobs.ts';
import { isPackIndexed, newestPack } from '../storage/study-index.ts';
import { createStudies } from '../studies/create.ts';
import { wadoEndpoint } from '../studies/endpoint.ts';
import { judgedStudy } from '../studies/judged.ts';
import { keepOwnObject } from '../studies/own-object.ts';
import { createProjector } from '../studies/projector.ts';
import { STUDY_COMPLETE } from '../studies/topics.ts';
import { createUi } from '../ui/router.ts';
import { createEmphysemaAnalysis } from './analysis.ts';
import { wireAudit } from './audit-wiring.ts';
import { createPatientDirectory } from './patient-directory.ts';
import { openStores } from './storage.ts';
import { createStudySource } from './study-source.ts';

export const VERSION = '0.1.0';

export interface RunningServer {
  readonly baseUrl: string;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

const PROJECT_MS = 1000;
const COMPLETE_MS = 500;
const PER_ROUND = 50;

/** Builds the parts in order, listens, and knows how to stop them in reverse. */
export const startServer = async (config: Config, log: Log = createLog(config.logLevel)): Promise<RunningServer> => {
  refuseInsecureListener(config);
  const clock = systemClock;
  const closing: (() => Promise<void> | void)[] = [];
  try {
    return await build(config, log, clock, closing);
  } catch (error) {
    for (const close of closing.reverse()) await close();
    throw error;
  }
};

const build = async (
  config: Config,
  log: Log,
  clock: typeof systemClock,
  closing: (() => Promise<void> | void)[],
): Promise<RunningServer> => {
  const http = createHttpServer();
  const listening = await listen(http, config);
  const baseUrl = baseUrlOf(config, listening.port);
  closing.push(() => closeHttp(http));
  const auditFolder = join(config.data, 'audit', 'server');
  closing.push(await lock(auditFolder, 2000));
  const stores = await openStores(config, clock);
  const { database, packs, outbox, index, resources } = stores;
  closing.push(async () => {
    await packs.close();
    await database.close();
  });
  const recovered = await packs.recover(await newestPack(database), (pack) => isPackIndexed(database, pack));
  if (recovered.removed + recovered.setAside > 0)
    log.warn('packs that were never acknowledged were put away', { count: recovered.removed + recovered.setAside });

  const audit = await createAuditLog({
    directory: auditFolder,
    origin: 'isthmus/server',
    signingKey: openAuditKeys(config.data).signingKey,
    clock,
    mode: config.auditMode,
  });
  closing.push(audit.close);
  loadDefinitions();
  const ownActors = config.organization === '' ? [] : [config.organization];
  const consents = createConsentJudge({
    source: createConsentSource(database),
    policy: { implicit: config.implicitConsent },
    now: clock.now,
  });
  const wiring = wireAudit({ log: audit, source: { name: `isthmus@${hostname()}`, address: baseUrl }, consents, ownActors });

  const doorbell = config.redisUrl === '' ? createEmbeddedDoorbell() : createBullDoorbell(config.redisUrl, log);
  closing.push(doorbell.close);
  const grants = createGrantStore(database, clock);
  const accounts = createAccounts(database, clock);
  const smart = createSmart({
    baseUrl,
    store: grants,
    accounts,
    patients: createPatientDirectory(resources),
    keys: openSmartKeys(config.data),
    audit: wiring.smart,
    log,
  });
  const gate = createGate({
    tokens: smart.tokens,
    consents,
    ownActors,
    matches: (resource, query) =>
      matchesSearchRequest(resource as unknown as CoreResource, parseSearchRequest(`${resource.resourceType}?${query}`)),
  });

  const studies = createStudies({
    blobs: packs,
    index,
    transactor: database,
    onStored: () => {
      projection.poke();
      completion.poke();
    },
  });
  const projector = createProjector({
    index,
    outbox,
    transactor: database,
    patientIdSystem: config.patientIdSystem,
    log,
    now: clock.now,
    record: {
      upsert: async (tx, resource) => {
        await resources.write(tx, resource as Parameters<typeof resources.write>[1], { unchangedIsNoop: true });
      },
      exists: async (type, id) => (await resources.read(type, id)) !== undefined,
    },
  });
  const upsert = async (
    tx: Parameters<typeof resources.write>[0],
    resource: Parameters<typeof resources.write>[1],
  ): Promise<void> => {
    await resources.write(tx, resource, { unchangedIsNoop: true });
  };
  await database.transaction((tx) => upsert(tx, wadoEndpoint(baseUrl) as Parameters<typeof upsert>[1]));

  const table = createJobTable(database);
  if (database.dialect === 'sqlite') {
    const released = await table.releaseAll(clock.now());
    if (released > 0) log.warn('jobs that a former run held are taken up again', { count: released });
  }
  const studySource = createStudySource(studies, index);
  const registry = createModelRegistry(config.models);
  const sandbox = createSandbox();
  const analyses = new Map([
    [
      'ct-emphysema',
      createEmphysemaAnalysis({
        registry,
        sandbox,
        audit: wiring.jobs,
        timeoutMs: config.jobTimeoutSeconds * 1000,
        storeObject: (bytes) => keepOwnObject({ blobs: packs, index }, bytes),
        upsert,
      }),
    ],
  ]);
  const record = {
    show: async (...[tx, job, imagingStudy, status, reason]: Parameters<import('../jobs/analysis.ts').JobRecord['show']>) => {
      const facts = {
        jobKey: job.key,
        patient: job.patient,
        imagingStudy,
        model: { id: job.model, version: job.modelVersion, digest: job.modelDigest },
        status,
        reason,
        hasReport: status === 'completed',
        createdAt: job.createdAt,
        at: clock.now(),
      };
      await upsert(tx, task(facts) as Parameters<typeof upsert>[1]);
    },
  };
  const planner = createPlanner({
    rules: BUILT_IN_RULES,
    analyses,
    studies: studySource,
    table,
    record,
    transactor: database,
    outbox,
    clock,
    log,
  });
  const runner = createRunner({
    table,
    doorbell,
    studies: studySource,
    analyses,
    record,
    audit: wiring.jobs,
    transactor: database,
    clock,
    log,
    concurrency: config.jobConcurrency,
    consent: {
      decide: async (facts, purpose, model) => {
        const study = (await index.study(facts.studyInstanceUid, UNRESTRICTED))!;
        return consents.decide(
          { purposes: [purpose], actors: [`Device/${model}`, ...ownActors], action: 'use' },
          facts.patient,
          judgedStudy(study),
        );
      },
    },
  });

  const projection = runPeriodically('projection', PROJECT_MS, projector.project, log);
  const completion = runPeriodically(
    'completion',
    COMPLETE_MS,
    async () => {
      for (const { subject, revision } of await outbox.due(STUDY_COMPLETE, PER_ROUND)) {
        await projector.projectStudy(subject);
        await planner.plan(subject, (tx) => outbox.settle(tx, STUDY_COMPLETE, subject, revision));
      }
      for (const { subject, revision } of await outbox.due(JOB_READY, PER_ROUND)) {
        await doorbell.ring(subject);
        await database.transaction((tx) => outbox.settle(tx, JOB_READY, subject, revision));
      }
    },
    log,
  );
  closing.push(projection.stop, completion.stop, runner.stop);

  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  const corsOrigins = config.corsOrigins
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  const metrics = createMetrics({ jobs: table.counts, auditSize: audit.size });
  app.use(metrics.measure);
  app.use(
    '/dicom-web',
    createDicomweb({
      studies,
      gate,
      audit: wiring.dicomweb,
      log,
      config: { baseUrl, stowMaxBytes: config.stowMaxBytes, corsOrigins },
    }),
  );
  app.use(
    '/fhir',
    createFhir(
      {
        store: resources,
        transactor: database,
        gate,
        audit: wiring.fhir,
        log,
        config: { baseUrl, maxBytes: config.fhirMaxBytes, corsOrigins },
        beforeRead: async (type) => {
          if (type === 'ImagingStudy' || type === 'Patient') await projector.project();
        },
        checkWrite: (resource) => {
          const issues = resource.resourceType === 'Consent' ? validateConsent(resource as import('fhir/r4').Consent) : [];
          if (issues.length > 0) throw new InvalidResource(issues);
        },
        smartConfiguration: smart.smartConfiguration,
        openidConfiguration: smart.openidConfiguration,
        cursorKey: createHash('sha256').update('page cursor').update(openSmartKeys(config.data).cookieKeys[0]!).digest(),
      },
      VERSION,
    ),
  );
  app.use('/oidc', smart.router);
  app.use(
    createHealth({
      database: () => database.reader.selectFrom('outbox').select('topic').limit(1).execute(),
      doorbell: doorbell.healthy,
    }),
  );
  app.use(metrics.router);
  app.use(createUi({ version: VERSION, isolation: sandbox.isolation, baseUrl }));
  failSafe(app, log);
  // Handlers stream bodies themselves; slow senders of headers and idle connections are cut.
  http.headersTimeout = 30_000;
  http.requestTimeout = 0;
  http.on('request', app);
  await wiring.application('start');
  // The command line acts on the server whose data folder it is given.
  await writeFile(join(config.data, 'server.json'), JSON.stringify({ baseUrl, pid: process.pid }), { mode: 0o600 });
  runner.start();
  projection.poke();
  completion.poke();
  log.info('listening', { port: listening.port });

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await closeHttp(http);
      await Promise.all([projection.stop(), completion.stop(), runner.stop()]);
      await wiring.application('stop');
      for (const close of closing.reverse()) await close();
    })();
    return stopping;
  };
  return { baseUrl, port: listening.port, stop };
};

const listen = (http: Server, config: Config): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    const { host, port } = listenAddress(config);
    http.once('error', reject);
    http.listen(port, host, () => resolve(http.address() as AddressInfo));
  });

const GRACE_MS = 5000;

/** Lets requests end, then cuts what is left. */
const closeHttp = (http: Server): Promise<void> =>
  new Promise((resolve) => {
    if (!http.listening) return resolve();
    const timer = setTimeout(() => http.closeAllConnections(), GRACE_MS);
    http.close(() => {
      clearTimeout(timer);
      resolve();
    });
    http.closeIdleConnections();
  });

/** Whatever no front end answered: no page of the framework, no stack, ever. */
const failSafe = (app: Express, log: Log): void => {
  app.use((_request: express.Request, response: express.Response) => {
    response.status(404).type('application/json').send('{"status":404,"message":"No such resource"}');
  });
  app.use(
    (error: Error & { status?: number }, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
      const status = error.status !== undefined && error.status >= 400 && error.status < 500 ? error.status : 500;
      if (status === 500) log.error('a request failed', { error });
      if (response.headersSent) response.destroy();
      else
        response
          .status(status)
          .type('application/json')
          .send(JSON.stringify({ status, message: status === 500 ? 'Internal error' : 'The request is malformed' }));
    },
  );
};
