import type { Generated } from 'kysely';

interface JobTable {
  id: Generated<number>;
  /** logical id of the Task and seed of all output */
  key: string;
  study_uid: string;
  patient: string;
  model: string;
  model_version: string;
  model_digest: string;
  rule: string;
  purpose: string;
  state: string;
  priority: number;
  /** frozen input: JSON list of { uid, sha256 } */
  input: string;
  study_revision: number;
  attempts: number;
  fence: number;
  lease_until: number;
  due_at: number;
  failure: string;
  created_at: number;
  updated_at: number;
}

export interface JobTables {
  job: JobTable;
}

export const JOBS_DDL: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS job(id $ID, key $TEXT NOT NULL UNIQUE, study_uid $TEXT NOT NULL, patient $TEXT NOT NULL, model $TEXT NOT NULL,
    model_version $TEXT NOT NULL, model_digest $TEXT NOT NULL, rule $TEXT NOT NULL, purpose $TEXT NOT NULL, state $TEXT NOT NULL, priority $INT NOT NULL,
    input $TEXT NOT NULL, study_revision $INT NOT NULL, attempts $INT NOT NULL, fence $INT NOT NULL, lease_until $INT NOT NULL,
    due_at $INT NOT NULL, failure $TEXT NOT NULL, created_at $INT NOT NULL, updated_at $INT NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS job_state ON job(state, priority, due_at, id)`,
  `CREATE INDEX IF NOT EXISTS job_study ON job(study_uid)`,
  `CREATE INDEX IF NOT EXISTS job_patient ON job(patient)`,
];
