import type { Judged } from '../kernel/restriction.ts';
import type { StudyRow } from './ports.ts';

interface Element {
  readonly Value?: readonly unknown[];
}

const first = (json: Record<string, Element>, tag: string): string => String(json[tag]?.Value?.[0] ?? '');

/** DICOM DA (and TM) as an R4 dateTime; undefined when it is no calendar date. */
export const dicomDateTime = (date: string, time: string, zone = ''): string | undefined => {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(date);
  if (!day || Number.isNaN(Date.parse(`${day[1]}-${day[2]}-${day[3]}`))) return undefined;
  const iso = `${day[1]}-${day[2]}-${day[3]}`;
  const clock = /^(\d{2})(\d{2})(\d{2})(?:\.(\d{1,6}))?$/.exec(time);
  const offset = /^([+-])(\d{2})(\d{2})$/.exec(zone);
  if (!clock || !offset || Number(clock[1]) > 23 || Number(clock[2]) > 59 || Number(clock[3]) > 59) return iso;
  return `${iso}T${clock[1]}:${clock[2]}:${clock[3]}${offset[1]}${offset[2]}:${offset[3]}`;
};

/** The study as the gate judges it: the ImagingStudy facts that Consent provisions look at, from the index alone. */
export const judgedStudy = (row: StudyRow): Judged => {
  const json = JSON.parse(row.json) as Record<string, Element>;
  const started = dicomDateTime(first(json, '00080020'), first(json, '00080030'), first(json, '00080201'));
  const study = {
    resourceType: 'ImagingStudy',
    id: row.imagingStudy,
    status: 'available',
    subject: { reference: `Patient/${row.patient}` },
    identifier: [{ system: 'urn:dicom:uid', value: `urn:oid:${row.studyInstanceUid}` }],
    modality: row.modalities.map((code) => ({ system: 'http://dicom.nema.org/resources/ontology/DCM', code })),
    ...(started ? { started } : {}),
  };
  return study;
};
