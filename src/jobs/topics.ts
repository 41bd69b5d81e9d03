/** Outbox topic: a job waits for a worker to be rung for; the subject is its key. */
export const JOB_READY = 'job.ready';
