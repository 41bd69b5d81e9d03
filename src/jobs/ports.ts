import type { DicomJson } from '../dicom/json.ts';
import type { Tx } from '../kernel/transaction.ts';

/**
 * `ready` waits for a worker; `running` is leased; `done` has published; `refused` means the input does not suit the model or
 * the patient's consent forbids; `dead` failed for good; `superseded` gave way to a job with newer input.
 */
export type JobState = 'ready' | 'running' | 'done' | 'refused' | 'dead' | 'superseded';

export interface NewJob {
  /** digest of study, input and model: the same input never runs twice */
  readonly key: string;
  readonly studyInstanceUid: string;
  readonly patient: string;
  readonly model: string;
  readonly modelVersion: string;
  readonly modelDigest: string;
  readonly rule: string;
  /** `system|code` of v3-ActReason, fixed at creation */
  readonly purpose: string;
  readonly input: readonly JobInstance[];
  readonly studyRevision: number;
}

export interface JobInstance {
  readonly uid: string;
  readonly sha256: string;
}

export interface Job extends NewJob {
  readonly id: number;
  readonly state: JobState;
  readonly attempts: number;
  /** grows with every claim: a worker that lost its lease can't finish the job */
  readonly fence: number;
  readonly failure: string;
  readonly createdAt: number;
}

/** The table is the truth about jobs; whatever wakes a worker is only a doorbell. */
export interface JobTable {
  /** @returns false when a job of this key exists */
  readonly create: (tx: Tx, job: NewJob, at: number) => Promise<boolean>;
  /** jobs of the rule and study that have not started give way */
  readonly supersede: (tx: Tx, studyInstanceUid: string, rule: string, exceptKey: string, at: number) => Promise<string[]>;
  /** takes the most urgent ready job, if there is one, or one whose lease ran out */
  readonly claim: (now: number, leaseMs: number) => Promise<Job | undefined>;
  /** @returns false when the lease was lost */
  readonly heartbeat: (job: Job, until: number) => Promise<boolean>;
  /** conditional on the fence. @returns false when the lease was lost: nothing was changed */
  readonly finish: (
    tx: Tx,
    job: Job,
    state: Exclude<JobState, 'running'>,
    detail: { failure?: string; dueAt?: number },
    at: number,
  ) => Promise<boolean>;
  /** gives back what a former life of this only worker held */
  readonly releaseAll: (at: number) => Promise<number>;
  readonly byStudy: (studyInstanceUid: string) => Promise<Job[]>;
  readonly counts: () => Promise<Partial<Record<JobState, number>>>;
}

/** Wakes workers, here or on other machines. Losing or repeating a ring changes nothing but latency. */
export interface Doorbell {
  readonly ring: (jobKey: string) => Promise<void>;
  readonly onRing: (listener: () => void) => void;
  readonly healthy: () => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** An instance as a rule and a job see it. */
export interface StudyInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly seriesInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly sha256: string;
  readonly dataset: DicomJson;
  /** stored pixel bytes of the single frame; throws when they can not be read */
  readonly pixels: () => Promise<Buffer>;
}

export interface StudyFacts {
  readonly studyInstanceUid: string;
  readonly imagingStudy: string;
  readonly patient: string;
  readonly revision: number;
  readonly series: readonly {
    readonly seriesInstanceUid: string;
    readonly modality: string;
    readonly instances: readonly JobInstance[];
  }[];
}

/** What the jobs room asks of the studies room; wired in main.ts. */
export interface StudySource {
  readonly facts: (studyInstanceUid: string) => Promise<StudyFacts | undefined>;
  readonly instances: (studyInstanceUid: string, seriesInstanceUid: string) => AsyncGenerator<StudyInstance>;
}

/** Verdict of the patient's consents on a job (R4 Consent.provision, purpose TREATDS, action use). */
export interface JobConsent {
  readonly decide: (
    facts: StudyFacts,
    purpose: string,
    model: string,
  ) => Promise<{ readonly permitted: boolean; readonly reason: string }>;
}
