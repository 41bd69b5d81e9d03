import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Transactor, Tx } from '../kernel/transaction.ts';
import type { Analysis, JobRecord } from './analysis.ts';
import type { JobInstance, JobTable, NewJob, StudyFacts, StudySource } from './ports.ts';
import { matchingSeries, type Rule } from './rules.ts';
import { JOB_READY } from './topics.ts';

interface PlannerDeps {
  readonly rules: readonly Rule[];
  readonly analyses: ReadonlyMap<string, Analysis>;
  readonly studies: StudySource;
  readonly table: JobTable;
  readonly record: JobRecord;
  readonly transactor: Transactor;
  readonly outbox: { readonly owe: (tx: Tx, topic: string, subject: string, revision: number, dueAt: number) => Promise<void> };
  readonly clock: Clock;
  readonly log: Log;
}

export interface Planner {
  /** Makes the jobs of a complete study in one transaction with `settle`, which takes the study's completion off the outbox. */
  readonly plan: (studyInstanceUid: string, settle: (tx: Tx) => Promise<void>) => Promise<void>;
}

/** The same images under the same model and rule are the same job, whenever they arrive (resend, restart, second server). */
const keyOf = (studyInstanceUid: string, input: readonly JobInstance[], digest: string, rule: string): string => {
  const hash = createHash('sha256').update(JSON.stringify([studyInstanceUid, rule, digest]));
  for (const { uid, sha256 } of [...input].sort((a, b) => (a.uid < b.uid ? -1 : 1))) hash.update(`${uid} ${sha256}\n`);
  return hash.digest('hex');
};

const jobOf = (rule: Rule, facts: StudyFacts, analysis: Analysis): NewJob | undefined => {
  const input = matchingSeries(rule, facts).flatMap((series) => series.instances);
  if (input.length === 0) return undefined;
  const { model, version, digest } = analysis.identity();
  return {
    key: keyOf(facts.studyInstanceUid, input, digest, rule.id),
    studyInstanceUid: facts.studyInstanceUid,
    patient: facts.patient,
    model,
    modelVersion: version,
    modelDigest: digest,
    rule: rule.id,
    purpose: rule.purpose,
    input,
    studyRevision: facts.revision,
  };
};

export const createPlanner = (deps: PlannerDeps): Planner => ({
  plan: async (studyInstanceUid, settle) => {
    const facts = await deps.studies.facts(studyInstanceUid);
    const jobs = facts
      ? deps.rules.flatMap((rule) => {
          const analysis = deps.analyses.get(rule.model);
          return analysis ? (jobOf(rule, facts, analysis) ?? []) : [];
        })
      : [];
    const at = deps.clock.now();
    await deps.transactor.transaction(async (tx) => {
      for (const job of jobs) {
        if (!(await deps.table.create(tx, job, at))) continue;
        // A late image makes a new job; one that has not started would measure less than there is.
        await deps.table.supersede(tx, job.studyInstanceUid, job.rule, job.key, at);
        await deps.record.show(tx, { ...job, createdAt: at }, facts!.imagingStudy, 'requested');
        await deps.outbox.owe(tx, JOB_READY, job.key, 1, at);
      }
      await settle(tx);
    });
    if (jobs.length === 0) deps.log.info('no rule matches a complete study', { state: 'no-match' });
  },
});
