import type { Generated } from 'kysely';

/** One issuer + PatientID = one FHIR Patient (PS3.3 §C.2.2). An empty PatientID gives each study a patient of its own. */
interface PatientIdentityTable {
  issuer: string;
  /** PatientID, or `study:<StudyInstanceUID>` when the object carries none */
  patient_id: string;
  /** logical id of the FHIR Patient */
  patient: string;
}

interface StudyTable {
  id: Generated<number>;
  uid: string;
  /** logical id of the FHIR Patient and of the ImagingStudy */
  patient: string;
  imaging_study: string;
  patient_id: string;
  issuer: string;
  /** search form of PatientName, ReferringPhysicianName: upper case, NFKC, component groups joined by `=` */
  patient_name: string;
  referring_name: string;
  birth_date: string;
  sex: string;
  study_date: string;
  study_time: string;
  accession: string;
  study_id: string;
  description: string;
  /** `\`-joined sorted distinct values over the series */
  modalities: string;
  series_count: number;
  instance_count: number;
  /** study-level attributes as DICOM JSON text without the counted ones */
  json: string;
  /** grows with every change: ETag, job revisions */
  revision: number;
  created_at: number;
  /** ms; the last time an instance arrived */
  received_at: number;
  /** revision that the FHIR projection shows */
  projected_revision: number;
  /** revision that was declared complete; below `revision` = still open */
  complete_revision: number;
}

interface SeriesTable {
  id: Generated<number>;
  study: number;
  uid: string;
  modality: string;
  number: number | null;
  description: string;
  body_part: string;
  series_date: string;
  series_time: string;
  performed_date: string;
  performed_time: string;
  station: string;
  instance_count: number;
  json: string;
}

interface InstanceTable {
  id: Generated<number>;
  study: number;
  series: number;
  uid: string;
  class_uid: string;
  number: number | null;
  transfer_syntax: string;
  rows: number | null;
  columns: number | null;
  frames: number | null;
  /** where the bytes are */
  pack: string;
  pack_offset: number;
  /** bytes of the Part 10 file as received */
  length: number;
  /** the object's data key, wrapped; empty when not encrypted */
  wrapped_key: Uint8Array;
  sha256: Uint8Array;
  received_at: number;
  json: string;
}

interface InstanceMetadataTable {
  instance: number;
  /** full DICOM JSON text; BulkDataURI values are paths relative to the instance */
  json: string;
  /** JSON list of values that are not in the text: { path, vr, offset, length } */
  bulk: string;
}

/** What a commit leaves for later work: at most one row per topic and subject, taken away in the transaction that did the work. */
interface OutboxTable {
  topic: string;
  subject: string;
  /** state of the subject the work is owed for; a newer one survives the settling of an older */
  revision: number;
  created_at: number;
  due_at: number;
}

export interface StudyTables {
  patient_identity: PatientIdentityTable;
  study: StudyTable;
  series: SeriesTable;
  instance: InstanceTable;
  instance_metadata: InstanceMetadataTable;
  outbox: OutboxTable;
}

export const STUDIES_DDL: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS patient_identity(issuer $TEXT NOT NULL, patient_id $TEXT NOT NULL, patient $TEXT NOT NULL,
    PRIMARY KEY(issuer, patient_id))`,
  `CREATE INDEX IF NOT EXISTS patient_identity_patient ON patient_identity(patient)`,
  `CREATE TABLE IF NOT EXISTS study(id $ID, uid $TEXT NOT NULL UNIQUE, patient $TEXT NOT NULL, imaging_study $TEXT NOT NULL UNIQUE,
    patient_id $TEXT NOT NULL, issuer $TEXT NOT NULL, patient_name $TEXT NOT NULL, referring_name $TEXT NOT NULL, birth_date $TEXT NOT NULL,
    sex $TEXT NOT NULL, study_date $TEXT NOT NULL, study_time $TEXT NOT NULL, accession $TEXT NOT NULL, study_id $TEXT NOT NULL,
    description $TEXT NOT NULL, modalities $TEXT NOT NULL, series_count $INT NOT NULL, instance_count $INT NOT NULL, json $TEXT NOT NULL,
    revision $INT NOT NULL, created_at $INT NOT NULL, received_at $INT NOT NULL, projected_revision $INT NOT NULL, complete_revision $INT NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS study_patient ON study(patient, uid)`,
  `CREATE INDEX IF NOT EXISTS study_patient_id ON study(patient_id, uid)`,
  `CREATE INDEX IF NOT EXISTS study_date ON study(study_date, uid)`,
  `CREATE INDEX IF NOT EXISTS study_patient_name ON study(patient_name, uid)`,
  `CREATE INDEX IF NOT EXISTS study_accession ON study(accession, uid)`,
  `CREATE TABLE IF NOT EXISTS series(id $ID, study $INT NOT NULL, uid $TEXT NOT NULL, modality $TEXT NOT NULL, number $INT,
    description $TEXT NOT NULL, body_part $TEXT NOT NULL, series_date $TEXT NOT NULL, series_time $TEXT NOT NULL, performed_date $TEXT NOT NULL,
    performed_time $TEXT NOT NULL, station $TEXT NOT NULL, instance_count $INT NOT NULL, json $TEXT NOT NULL, UNIQUE(study, uid))`,
  `CREATE INDEX IF NOT EXISTS series_uid ON series(uid)`,
  `CREATE TABLE IF NOT EXISTS instance(id $ID, study $INT NOT NULL, series $INT NOT NULL, uid $TEXT NOT NULL UNIQUE, class_uid $TEXT NOT NULL,
    number $INT, transfer_syntax $TEXT NOT NULL, rows $INT, columns $INT, frames $INT, pack $TEXT NOT NULL, pack_offset $INT NOT NULL,
    length $INT NOT NULL, wrapped_key $BYTES NOT NULL, sha256 $BYTES NOT NULL, received_at $INT NOT NULL, json $TEXT NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS instance_series ON instance(series, number, uid)`,
  `CREATE INDEX IF NOT EXISTS instance_study ON instance(study)`,
  `CREATE INDEX IF NOT EXISTS instance_pack ON instance(pack)`,
  `CREATE TABLE IF NOT EXISTS instance_metadata(instance $INT PRIMARY KEY, json $TEXT NOT NULL, bulk $TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS outbox(topic $TEXT NOT NULL, subject $TEXT NOT NULL, revision $INT NOT NULL, created_at $INT NOT NULL, due_at $INT NOT NULL,
    PRIMARY KEY(topic, subject))`,
  `CREATE INDEX IF NOT EXISTS outbox_due ON outbox(topic, due_at)`,
];
