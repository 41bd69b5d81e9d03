import type { InstanceRow, SeriesRow, StudyRow } from '../studies/ports.ts';

/** Columns in the order and under the names every study query selects. */
export const STUDY_COLUMNS = [
  'study.id as study_key',
  'study.uid as study_uid',
  'study.imaging_study',
  'study.patient',
  'study.json as study_json',
  'study.modalities',
  'study.series_count',
  'study.instance_count as study_instance_count',
  'study.revision',
] as const;

export const SERIES_COLUMNS = [
  'series.id as series_key',
  'series.uid as series_uid',
  'series.json as series_json',
  'series.instance_count as series_instance_count',
] as const;

export const INSTANCE_COLUMNS = [
  'instance.id as instance_key',
  'instance.uid as instance_uid',
  'instance.class_uid',
  'instance.transfer_syntax',
  'instance.rows',
  'instance.columns',
  'instance.frames',
  'instance.number as instance_number',
  'instance.pack',
  'instance.pack_offset',
  'instance.length',
  'instance.wrapped_key',
  'instance.sha256',
  'instance.json as instance_json',
] as const;

export interface StudyColumns {
  readonly study_key: number;
  readonly study_uid: string;
  readonly imaging_study: string;
  readonly patient: string;
  readonly study_json: string;
  readonly modalities: string;
  readonly series_count: number;
  readonly study_instance_count: number;
  readonly revision: number;
}

export interface SeriesColumns {
  readonly series_key: number;
  readonly series_uid: string;
  readonly series_json: string;
  readonly series_instance_count: number;
}

export interface InstanceColumns {
  readonly instance_key: number;
  readonly instance_uid: string;
  readonly class_uid: string;
  readonly transfer_syntax: string;
  readonly rows: number | null;
  readonly columns: number | null;
  readonly frames: number | null;
  readonly instance_number: number | null;
  readonly pack: string;
  readonly pack_offset: number;
  readonly length: number;
  readonly wrapped_key: Uint8Array;
  readonly sha256: Uint8Array;
  readonly instance_json: string;
}

export const studyRow = (row: StudyColumns): StudyRow => ({
  studyInstanceUid: row.study_uid,
  imagingStudy: row.imaging_study,
  patient: row.patient,
  json: row.study_json,
  modalities: row.modalities === '' ? [] : row.modalities.split('\\'),
  seriesCount: row.series_count,
  instanceCount: row.study_instance_count,
  revision: row.revision,
});

export const seriesRow = (row: SeriesColumns): SeriesRow => ({
  seriesInstanceUid: row.series_uid,
  json: row.series_json,
  instanceCount: row.series_instance_count,
});

export const instanceRow = (row: InstanceColumns & { study_uid: string; series_uid: string }): InstanceRow => ({
  sopInstanceUid: row.instance_uid,
  sopClassUid: row.class_uid,
  seriesInstanceUid: row.series_uid,
  studyInstanceUid: row.study_uid,
  transferSyntaxUid: row.transfer_syntax,
  rows: row.rows ?? undefined,
  columns: row.columns ?? undefined,
  frames: row.frames ?? undefined,
  number: row.instance_number ?? undefined,
  location: { pack: row.pack, offset: row.pack_offset, length: row.length, wrappedKey: row.wrapped_key },
  sha256: Buffer.from(row.sha256),
  json: row.instance_json,
});
