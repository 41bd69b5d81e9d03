import type { Endpoint, ImagingStudy, Patient } from 'fhir/r4';
import type { DicomJson } from '../dicom/json.ts';
import type { Log } from '../kernel/log.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import type { Transactor, Tx } from '../kernel/transaction.ts';
import { patientIdentifier, patientIdSystem } from './identifiers.ts';
import { imagingStudy, type SeriesContent } from './imaging-study.ts';
import { patientResource } from './patient.ts';
import type { Outbox, StudyIndex, StudyRow } from './ports.ts';
import { STUDY_PROJECT } from './topics.ts';

/** What the projector writes to: the FHIR store, wired in main.ts. */
export interface RecordWriter {
  /** a resource that is stored unchanged stays at its version */
  readonly upsert: (tx: Tx, resource: ImagingStudy | Patient | Endpoint) => Promise<void>;
  readonly exists: (type: 'Patient', id: string) => Promise<boolean>;
}

interface ProjectorDeps {
  readonly index: StudyIndex;
  readonly outbox: Outbox;
  readonly record: RecordWriter;
  readonly transactor: Transactor;
  readonly patientIdSystem: string;
  readonly log: Log;
  readonly now: () => number;
}

export interface Projector {
  /** Brings the record up to every study stored so far: what a reader awaits to read its own writes. */
  readonly project: () => Promise<void>;
  readonly projectStudy: (studyInstanceUid: string) => Promise<void>;
}

const PER_ROUND = 50;
const RETRY_MS = 60_000;

/** Writes Patient and ImagingStudy once for a burst of stored instances, never per instance. */
export const createProjector = (deps: ProjectorDeps): Projector => {
  const underWay = new Map<string, Promise<void>>();

  const write = async (studyInstanceUid: string): Promise<void> => {
    const study = await deps.index.study(studyInstanceUid, UNRESTRICTED);
    if (!study) return;
    const series = await contents(deps.index, studyInstanceUid);
    const patient = (await deps.record.exists('Patient', study.patient)) ? undefined : patientOf(study, deps.patientIdSystem);
    await deps.transactor.transaction(async (tx) => {
      if (patient) await deps.record.upsert(tx, patient);
      await deps.record.upsert(tx, imagingStudy(study, series));
      await deps.outbox.settle(tx, STUDY_PROJECT, studyInstanceUid, study.revision);
    });
  };

  /** Two readers of one dirty study share the work. */
  const projectStudy = (studyInstanceUid: string): Promise<void> => {
    const running = underWay.get(studyInstanceUid);
    if (running) return running;
    const work = write(studyInstanceUid).finally(() => underWay.delete(studyInstanceUid));
    underWay.set(studyInstanceUid, work);
    return work;
  };

  const project = async (): Promise<void> => {
    for (;;) {
      const due = await deps.outbox.due(STUDY_PROJECT, PER_ROUND);
      for (const { subject, revision } of due) {
        try {
          await projectStudy(subject);
        } catch (error) {
          // One study that can't be shown must not hold back the others; it is tried again later.
          deps.log.error('a study could not be projected', { error });
          await deps.transactor.transaction((tx) => deps.outbox.owe(tx, STUDY_PROJECT, subject, revision, deps.now() + RETRY_MS));
        }
      }
      if (due.length < PER_ROUND) return;
    }
  };

  return { project, projectStudy };
};

const contents = async (index: StudyIndex, studyInstanceUid: string): Promise<SeriesContent[]> => {
  const query = {
    level: 'series',
    studyInstanceUid,
    seriesInstanceUid: undefined,
    matches: new Map(),
    limit: Number.MAX_SAFE_INTEGER - 1,
    offset: 0,
  } as const;
  const { rows } = await index.search(query, UNRESTRICTED);
  const bySeries = new Map(
    rows.map(({ series }) => [
      series!.seriesInstanceUid,
      { row: series!, instances: [] as SeriesContent['instances'][number][] },
    ]),
  );
  for await (const instance of index.instances(
    { studyInstanceUid, seriesInstanceUid: undefined, sopInstanceUid: undefined },
    UNRESTRICTED,
  )) {
    bySeries.get(instance.seriesInstanceUid)?.instances.push(instance);
  }
  return [...bySeries.values()];
};

const patientOf = (study: StudyRow, withoutIssuer: string): Patient => {
  const dataset = JSON.parse(study.json) as DicomJson;
  const text = (tag: string): string => String(dataset[tag]?.Value?.[0] ?? '').trim();
  const patientId = text('00100020');
  return patientResource({
    id: study.patient,
    identifier: patientId === '' ? undefined : patientIdentifier(patientIdSystem(text('00100021'), withoutIssuer), patientId),
    name: dataset['00100010']?.Value?.[0] as { Alphabetic?: string } | undefined,
    birthDate: text('00100030'),
    sex: text('00100040'),
  });
};
