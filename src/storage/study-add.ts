import type { Transaction } from 'kysely';
import { newId } from '../kernel/ids.ts';
import type { Tx } from '../kernel/transaction.ts';
import type { AddOutcome, NewInstance, Outbox, StorePermission, StudyIndex } from '../studies/ports.ts';
import { STUDY_COMPLETE, STUDY_PROJECT } from '../studies/topics.ts';
import { type Database, writing } from './database.ts';
import type { Schema } from './schema.ts';

const ROWS_PER_STATEMENT = 200;

interface AddDeps {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly now: () => number;
  /** how long a study must be quiet before it counts as complete, ms */
  readonly quietPeriodMs: number;
  /** The FHIR Patient that already carries this identifier, so that a study joins the record that the EHR made. */
  readonly findPatient: (tx: Tx, issuer: string, patientId: string) => Promise<string | undefined>;
}

interface OpenStudy {
  readonly id: number;
  readonly patient: string;
  readonly imagingStudy: string;
  readonly patientId: string;
  readonly issuer: string;
  readonly isNew: boolean;
  readonly revision: number;
  readonly modalities: Set<string>;
  readonly series: Map<string, { readonly id: number; added: number }>;
  newSeries: number;
  added: number;
}

interface KnownInstance {
  readonly sha256: Uint8Array;
  readonly study: string;
  readonly series: string;
}

type Db = Transaction<Schema>;

/** Writing side of the index: one call per commit, whatever number of studies and instances it brings. */
export const createStudyAdd = (deps: AddDeps): StudyIndex['add'] => {
  return async (tx, instances, permission) => {
    const db = writing(tx);
    const at = deps.now();
    const studies = new Map<string, OpenStudy | undefined>();
    // Studies are locked in one order, so that two servers storing into the same ones can't wait for each other.
    for (const uid of [...new Set(instances.map((instance) => instance.studyInstanceUid))].sort()) {
      const sample = instances.find((instance) => instance.studyInstanceUid === uid)!;
      studies.set(uid, await openStudy(deps, tx, sample, permission, at));
    }
    const known = await knownInstances(db, instances);
    const fresh: { instance: NewInstance; study: OpenStudy; series: number }[] = [];
    const outcomes: AddOutcome[] = [];
    for (const instance of instances) {
      const study = studies.get(instance.studyInstanceUid);
      const outcome = judge(instance, study, known);
      outcomes.push(outcome);
      if (outcome.kind !== 'added') continue;
      fresh.push({ instance, study: study!, series: await openSeries(db, study!, instance) });
      known.set(instance.sopInstanceUid, {
        sha256: instance.sha256,
        study: instance.studyInstanceUid,
        series: instance.seriesInstanceUid,
      });
    }
    await insertInstances(db, fresh, at);
    for (const [uid, study] of studies) if (study && study.added > 0) await closeStudy(deps, tx, uid, study, at);
    return outcomes;
  };
};

const judge = (instance: NewInstance, study: OpenStudy | undefined, known: ReadonlyMap<string, KnownInstance>): AddOutcome => {
  const { patientId, issuer } = instance.attributes;
  if (!study || study.patientId !== patientId || study.issuer !== issuer) return { kind: 'foreign' };
  const before = known.get(instance.sopInstanceUid);
  const { patient, imagingStudy, isNew: studyIsNew } = study;
  if (!before) return { kind: 'added', studyIsNew, patient, imagingStudy };
  const sameplace = before.study === instance.studyInstanceUid && before.series === instance.seriesInstanceUid;
  return sameplace && instance.sha256.equals(before.sha256) ? { kind: 'identical', patient, imagingStudy } : { kind: 'conflict' };
};

const knownInstances = async (db: Db, instances: readonly NewInstance[]): Promise<Map<string, KnownInstance>> => {
  const known = new Map<string, KnownInstance>();
  const uids = [...new Set(instances.map((instance) => instance.sopInstanceUid))];
  for (let first = 0; first < uids.length; first += ROWS_PER_STATEMENT) {
    const rows = await db
      .selectFrom('instance')
      .innerJoin('study', 'study.id', 'instance.study')
      .innerJoin('series', 'series.id', 'instance.series')
      .select(['instance.uid', 'instance.sha256', 'study.uid as study', 'series.uid as series'])
      .where('instance.uid', 'in', uids.slice(first, first + ROWS_PER_STATEMENT))
      .execute();
    for (const row of rows) known.set(row.uid, row);
  }
  return known;
};

const readStudy = async (deps: AddDeps, db: Db, uid: string): Promise<OpenStudy | undefined> => {
  const columns = ['id', 'patient', 'imaging_study', 'patient_id', 'issuer', 'revision', 'modalities'] as const;
  const query = db.selectFrom('study').select(columns).where('uid', '=', uid);
  const row = await (deps.database.dialect === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  if (!row) return undefined;
  return {
    id: row.id,
    patient: row.patient,
    imagingStudy: row.imaging_study,
    patientId: row.patient_id,
    issuer: row.issuer,
    isNew: false,
    revision: row.revision,
    modalities: new Set(row.modalities === '' ? [] : row.modalities.split('\\')),
    series: new Map(),
    newSeries: 0,
    added: 0,
  };
};

/** @returns undefined when the sender may not write to this study: its patient is another's, or the scope lacks the verb */
const openStudy = async (
  deps: AddDeps,
  tx: Tx,
  sample: NewInstance,
  { restriction, mayCreate, mayUpdate }: StorePermission,
  at: number,
): Promise<OpenStudy | undefined> => {
  const allowed = (patient: string): boolean =>
    restriction.onlyPatients === undefined || restriction.onlyPatients.includes(patient);
  const db = writing(tx);
  const existing = await readStudy(deps, db, sample.studyInstanceUid);
  if (existing) return mayUpdate && allowed(existing.patient) ? existing : undefined;
  if (!mayCreate) return undefined;
  const patient = await resolvePatient(deps, tx, sample, restriction.onlyPatients === undefined);
  if (patient === undefined || !allowed(patient)) return undefined;
  const { attributes } = sample;
  const inserted = await db
    .insertInto('study')
    .values({
      uid: sample.studyInstanceUid,
      patient,
      imaging_study: newId(),
      patient_id: attributes.patientId,
      issuer: attributes.issuer,
      patient_name: attributes.patientName,
      referring_name: attributes.referringName,
      birth_date: attributes.birthDate,
      sex: attributes.sex,
      study_date: attributes.studyDate,
      study_time: attributes.studyTime,
      accession: attributes.accession,
      study_id: attributes.studyId,
      description: attributes.studyDescription,
      modalities: '',
      series_count: 0,
      instance_count: 0,
      json: attributes.studyJson,
      revision: 0,
      created_at: at,
      received_at: at,
      projected_revision: 0,
      complete_revision: 0,
    })
    .onConflict((conflict) => conflict.column('uid').doNothing())
    .returning(['id', 'imaging_study'])
    .executeTakeFirst();
  const study = await readStudy(deps, db, sample.studyInstanceUid);
  return study && { ...study, isNew: inserted !== undefined };
};

/** @param mayBegin whether an identity that is new here may get a Patient of its own */
const resolvePatient = async (deps: AddDeps, tx: Tx, sample: NewInstance, mayBegin: boolean): Promise<string | undefined> => {
  const { issuer, patientId } = sample.attributes;
  const key = patientId === '' ? `study:${sample.studyInstanceUid}` : patientId;
  const db = writing(tx);
  const known = await db
    .selectFrom('patient_identity')
    .select('patient')
    .where('issuer', '=', issuer)
    .where('patient_id', '=', key)
    .executeTakeFirst();
  if (known) return known.patient;
  const recorded = patientId === '' ? undefined : await deps.findPatient(tx, issuer, patientId);
  if (recorded === undefined && !mayBegin) return undefined;
  await db
    .insertInto('patient_identity')
    .values({ issuer, patient_id: key, patient: recorded ?? newId() })
    .onConflict((conflict) => conflict.columns(['issuer', 'patient_id']).doNothing())
    .execute();
  const row = await db
    .selectFrom('patient_identity')
    .select('patient')
    .where('issuer', '=', issuer)
    .where('patient_id', '=', key)
    .executeTakeFirstOrThrow();
  return row.patient;
};

const openSeries = async (db: Db, study: OpenStudy, instance: NewInstance): Promise<number> => {
  const { attributes } = instance;
  let series = study.series.get(instance.seriesInstanceUid);
  if (!series) {
    const inserted = await db
      .insertInto('series')
      .values({
        study: study.id,
        uid: instance.seriesInstanceUid,
        modality: attributes.modality,
        number: attributes.seriesNumber ?? null,
        description: attributes.seriesDescription,
        body_part: attributes.bodyPart,
        series_date: attributes.seriesDate,
        series_time: attributes.seriesTime,
        performed_date: attributes.performedDate,
        performed_time: attributes.performedTime,
        station: attributes.station,
        instance_count: 0,
        json: attributes.seriesJson,
      })
      .onConflict((conflict) => conflict.columns(['study', 'uid']).doNothing())
      .returning('id')
      .executeTakeFirst();
    if (inserted) study.newSeries++;
    const existing =
      inserted ??
      (await db
        .selectFrom('series')
        .select('id')
        .where('study', '=', study.id)
        .where('uid', '=', instance.seriesInstanceUid)
        .executeTakeFirstOrThrow());
    series = { id: existing.id, added: 0 };
    study.series.set(instance.seriesInstanceUid, series);
  }
  series.added++;
  study.added++;
  if (attributes.modality !== '') study.modalities.add(attributes.modality);
  return series.id;
};

const insertInstances = async (
  db: Db,
  fresh: readonly { instance: NewInstance; study: OpenStudy; series: number }[],
  at: number,
): Promise<void> => {
  for (let first = 0; first < fresh.length; first += ROWS_PER_STATEMENT) {
    const page = fresh.slice(first, first + ROWS_PER_STATEMENT);
    const inserted = await db
      .insertInto('instance')
      .values(page.map(({ instance, study, series }) => instanceValues(instance, study.id, series, at)))
      .returning(['id', 'uid'])
      .execute();
    const ids = new Map(inserted.map((row) => [row.uid, row.id]));
    await db
      .insertInto('instance_metadata')
      .values(
        page.map(({ instance }) => ({
          instance: ids.get(instance.sopInstanceUid)!,
          json: instance.metadata,
          bulk: JSON.stringify(instance.bulk),
        })),
      )
      .execute();
  }
};

const instanceValues = (instance: NewInstance, study: number, series: number, at: number) => ({
  study,
  series,
  uid: instance.sopInstanceUid,
  class_uid: instance.sopClassUid,
  number: instance.attributes.instanceNumber ?? null,
  transfer_syntax: instance.transferSyntaxUid,
  rows: instance.attributes.rows ?? null,
  columns: instance.attributes.columns ?? null,
  frames: instance.attributes.frames ?? null,
  pack: instance.location.pack,
  pack_offset: instance.location.offset,
  length: instance.location.length,
  wrapped_key: instance.location.wrappedKey,
  sha256: instance.sha256,
  received_at: at,
  json: instance.attributes.instanceJson,
});

/** Counts are kept, never counted; the study's change is owed to the projector and to the completeness rule. */
const closeStudy = async (deps: AddDeps, tx: Tx, uid: string, study: OpenStudy, at: number): Promise<void> => {
  const db = writing(tx);
  for (const series of study.series.values()) {
    await db
      .updateTable('series')
      .set((set) => ({ instance_count: set('instance_count', '+', series.added) }))
      .where('id', '=', series.id)
      .execute();
  }
  const revision = study.revision + 1;
  await db
    .updateTable('study')
    .set((set) => ({
      series_count: set('series_count', '+', study.newSeries),
      instance_count: set('instance_count', '+', study.added),
      modalities: [...study.modalities].sort().join('\\'),
      revision,
      received_at: at,
    }))
    .where('id', '=', study.id)
    .execute();
  await deps.outbox.owe(tx, STUDY_PROJECT, uid, revision, at);
  await deps.outbox.owe(tx, STUDY_COMPLETE, uid, revision, at + deps.quietPeriodMs);
};
