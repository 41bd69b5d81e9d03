import type { Tx } from '../kernel/transaction.ts';
import type { Job, StudyFacts, StudyInstance } from './ports.ts';

/** Why a job gave no result: a code for machines, words for the record; neither tells of the patient. */
export interface Reason {
  readonly code: string;
  readonly text: string;
}

/** A job that can not be done and must not be tried again: the input does not suit, or consent forbids. */
export class JobRefused extends Error {
  override readonly name = 'JobRefused';
  readonly reason: Reason;

  constructor(reason: Reason) {
    super(reason.code);
    this.reason = reason;
  }
}

/** A job that failed for now. `retry` = whether another attempt may help. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
  readonly reason: Reason;
  readonly retry: boolean;

  constructor(reason: Reason, retry: boolean, options?: ErrorOptions) {
    super(reason.code, options);
    this.reason = reason;
    this.retry = retry;
  }
}

/** What an analysis produced, ready to be kept: `publish` writes all of it in the given transaction. */
export interface Produced {
  /** makes the objects durable, before the transaction */
  readonly keep: () => Promise<void>;
  readonly publish: (tx: Tx) => Promise<void>;
  /** forgets the objects when the transaction did not happen */
  readonly discard: () => Promise<void>;
  /** for the record: SHA-256 of what the model was given */
  readonly inputDigest: string;
}

/** One model's way from images to results; wired in main.ts out of deid, models and results. */
export interface Analysis {
  /** identity of the model as it is now: part of the job's key */
  readonly identity: () => { readonly model: string; readonly version: string; readonly digest: string };
  /**
   * @throws JobRefused when the input does not suit the model
   * @throws JobFailed
   */
  readonly run: (job: Job, facts: StudyFacts, instances: readonly StudyInstance[], signal: AbortSignal) => Promise<Produced>;
}

/** Every step of a job leaves a record; each promise resolves when it is kept. */
export interface JobAudit {
  readonly step: (
    job: Job,
    step: 'start' | 'deidentify' | 'model' | 'store' | 'publish' | 'refuse' | 'fail',
    detail: { readonly outcome: '0' | '4' | '8'; readonly reason?: string; readonly inputDigest?: string },
  ) => Promise<void>;
}

/** The job as the FHIR Task that everyone can see. */
export interface JobRecord {
  readonly show: (
    tx: Tx,
    job: Pick<Job, 'key' | 'patient' | 'model' | 'modelVersion' | 'modelDigest' | 'createdAt'>,
    imagingStudy: string,
    status: 'requested' | 'in-progress' | 'completed' | 'failed' | 'rejected' | 'cancelled',
    reason?: Reason,
  ) => Promise<void>;
}
