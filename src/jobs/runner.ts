import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Transactor } from '../kernel/transaction.ts';
import { type Analysis, type JobAudit, JobFailed, type JobRecord, JobRefused, type Produced, type Reason } from './analysis.ts';
import type { Doorbell, Job, JobConsent, JobTable, StudyFacts, StudyInstance, StudySource } from './ports.ts';

interface RunnerDeps {
  readonly table: JobTable;
  readonly doorbell: Doorbell;
  readonly studies: StudySource;
  readonly analyses: ReadonlyMap<string, Analysis>;
  readonly consent: JobConsent;
  readonly record: JobRecord;
  readonly audit: JobAudit;
  readonly transactor: Transactor;
  readonly clock: Clock;
  readonly log: Log;
  readonly concurrency: number;
}

export interface Runner {
  readonly start: () => void;
  /** starts nothing more, ends what runs; its jobs are taken up again by the next worker */
  readonly stop: () => Promise<void>;
}

const LEASE_MS = 30_000;
const HEARTBEAT_MS = 5_000;
const SWEEP_MS = 2_000;
const MAX_ATTEMPTS = 3;
const RETRY_MS = 10_000;

const INTERNAL: Reason = { code: 'internal', text: 'The analysis failed' };

/** Claims jobs from the table and does them. A ring only shortens the wait: the sweep finds every job. */
export const createRunner = (deps: RunnerDeps): Runner => {
  const { table, clock, log } = deps;
  const running = new Map<Promise<void>, AbortController>();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let claiming = false;

  const fill = async (): Promise<void> => {
    if (claiming || stopped) return;
    claiming = true;
    try {
      while (running.size < deps.concurrency && !stopped) {
        const job = await table.claim(clock.now(), LEASE_MS);
        if (!job) return;
        launch(job);
      }
    } catch (error) {
      log.error('jobs could not be claimed', { error });
    } finally {
      claiming = false;
    }
  };

  const launch = (job: Job): void => {
    const controller = new AbortController();
    const beat = setInterval(() => {
      table
        .heartbeat(job, clock.now() + LEASE_MS)
        .then((held) => held || controller.abort())
        .catch((error: unknown) => log.warn('a lease could not be renewed', { job: job.key, error }));
    }, HEARTBEAT_MS);
    const work = execute(deps, job, controller.signal)
      .catch((error: unknown) => log.error('a job ended without a state', { job: job.key, error }))
      .finally(() => {
        clearInterval(beat);
        running.delete(work);
        void fill();
      });
    running.set(work, controller);
  };

  const sweep = (): void => {
    void fill().finally(() => {
      if (!stopped) timer = setTimeout(sweep, SWEEP_MS);
    });
  };

  return {
    start: () => {
      if (deps.concurrency === 0) return;
      deps.doorbell.onRing(() => void fill());
      sweep();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      for (const controller of running.values()) controller.abort();
      await Promise.all(running.keys());
    },
  };
};

const execute = async (deps: RunnerDeps, job: Job, signal: AbortSignal): Promise<void> => {
  const facts = await deps.studies.facts(job.studyInstanceUid);
  try {
    if (!facts) throw new JobRefused({ code: 'study-gone', text: 'The study is no longer here' });
    await deps.audit.step(job, 'start', { outcome: '0' });
    await deps.transactor.transaction((tx) => deps.record.show(tx, job, facts.imagingStudy, 'in-progress'));
    await checkConsent(deps, job, facts);
    const analysis = deps.analyses.get(job.model);
    if (analysis?.identity().digest !== job.modelDigest)
      throw new JobRefused({ code: 'model-gone', text: 'The model version of this job is no longer here' });
    const produced = await analysis.run(job, facts, await inputOf(deps, job, facts), signal);
    await finish(deps, job, produced);
  } catch (error) {
    await settle(deps, job, facts, error, signal);
  }
};

/** @throws JobRefused */
const checkConsent = async (deps: RunnerDeps, job: Job, facts: StudyFacts): Promise<void> => {
  const verdict = await deps.consent.decide(facts, job.purpose, job.model);
  if (!verdict.permitted)
    throw new JobRefused({ code: 'consent', text: 'The consent of the patient does not allow this analysis' });
};

/** The frozen input: what arrived after the job was made is not looked at. */
const inputOf = async (deps: RunnerDeps, job: Job, facts: StudyFacts): Promise<StudyInstance[]> => {
  const wanted = new Map(job.input.map((instance) => [instance.uid, instance.sha256]));
  const found: StudyInstance[] = [];
  for (const series of facts.series) {
    if (!series.instances.some((instance) => wanted.has(instance.uid))) continue;
    for await (const instance of deps.studies.instances(job.studyInstanceUid, series.seriesInstanceUid)) {
      if (wanted.get(instance.sopInstanceUid) === instance.sha256) found.push(instance);
    }
  }
  if (found.length !== wanted.size)
    throw new JobRefused({ code: 'input-changed', text: 'The images of this job are no longer the ones it was made for' });
  return found;
};

/** Results become visible all at once: SR, report, observations, task and the job's end are one transaction. */
const finish = async (deps: RunnerDeps, job: Job, produced: Produced): Promise<void> => {
  try {
    const facts = await deps.studies.facts(job.studyInstanceUid);
    if (!facts || facts.patient !== job.patient)
      throw new JobFailed({ code: 'patient-changed', text: 'The study was given to another patient meanwhile' }, false);
    await checkConsent(deps, job, facts);
    await produced.keep();
    await deps.transactor.transaction(async (tx) => {
      await produced.publish(tx);
      await deps.record.show(tx, job, facts.imagingStudy, 'completed');
      if (!(await deps.table.finish(tx, job, 'done', {}, deps.clock.now())))
        throw new JobFailed({ code: 'lease-lost', text: 'Another worker took the job' }, false);
    });
  } catch (error) {
    await produced.discard();
    throw error;
  }
  await deps.audit.step(job, 'publish', { outcome: '0', inputDigest: produced.inputDigest });
  deps.log.info('a job was done', { job: job.key, model: job.model, state: 'done' });
};

const settle = async (
  deps: RunnerDeps,
  job: Job,
  facts: StudyFacts | undefined,
  error: unknown,
  signal: AbortSignal,
): Promise<void> => {
  const refused = error instanceof JobRefused;
  const { reason, retry } = refused
    ? { reason: error.reason, retry: false }
    : error instanceof JobFailed
      ? error
      : { reason: INTERNAL, retry: true };
  if (reason.code === 'lease-lost') return;
  if (!refused) deps.log.warn('a job failed', { job: job.key, model: job.model, reason: reason.code, error });
  // A stopping server gives its jobs back without counting it as their fault.
  const again = signal.aborted || (retry && job.attempts < MAX_ATTEMPTS);
  const state = again ? 'ready' : refused ? 'refused' : 'dead';
  const at = deps.clock.now();
  const kept = await deps.transactor.transaction(async (tx) => {
    if (
      !(await deps.table.finish(
        tx,
        job,
        state,
        { failure: reason.code, dueAt: signal.aborted ? at : at + RETRY_MS * job.attempts },
        at,
      ))
    )
      return false;
    if (facts)
      await deps.record.show(
        tx,
        job,
        facts.imagingStudy,
        again ? 'in-progress' : refused ? (reason.code === 'consent' ? 'cancelled' : 'rejected') : 'failed',
        again ? undefined : reason,
      );
    return true;
  });
  if (kept) await deps.audit.step(job, refused ? 'refuse' : 'fail', { outcome: refused ? '4' : '8', reason: reason.code });
};
