import type { ImagingStudy, ImagingStudySeries } from 'fhir/r4';
import { withoutControlCharacters } from '../dicom/control-characters.ts';
import { type DicomJson, numberOf, textOf } from '../dicom/json.ts';
import { accessionIdentifier, studyIdentifier } from './identifiers.ts';
import { dicomDateTime } from './judged.ts';
import type { InstanceRow, SeriesRow, StudyRow } from './ports.ts';

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
export const ENDPOINT_ID = 'dicom-wado-rs';

/** R4 code: no leading, trailing or doubled blanks. A modality that is none becomes OT (PS3.3 §C.7.3.1.1.1, Other). */
const modalityCoding = (modality: string) => ({ system: DCM, code: /^[A-Z0-9_]{1,16}$/.test(modality) ? modality : 'OT' });

const unsigned = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 0 && value <= 2_147_483_647 ? value : undefined;

const text = (dataset: DicomJson, tag: string): string => withoutControlCharacters(textOf(dataset, tag) ?? '', ' ').trim();

export interface SeriesContent {
  readonly row: SeriesRow;
  readonly instances: readonly Pick<InstanceRow, 'sopInstanceUid' | 'sopClassUid' | 'number'>[];
}

const seriesElement = ({ row, instances }: SeriesContent): ImagingStudySeries => {
  const dataset = JSON.parse(row.json) as DicomJson;
  const number = unsigned(numberOf(dataset, '00200011'));
  const description = text(dataset, '0008103E');
  const bodyPart = text(dataset, '00180015');
  const started = dicomDateTime(text(dataset, '00080021'), text(dataset, '00080031'));
  return {
    uid: row.seriesInstanceUid,
    ...(number === undefined ? {} : { number }),
    modality: modalityCoding(text(dataset, '00080060')),
    ...(description ? { description } : {}),
    numberOfInstances: instances.length,
    ...(bodyPart ? { bodySite: { display: bodyPart } } : {}),
    ...(started ? { started } : {}),
    instance: instances.map((instance) => ({
      uid: instance.sopInstanceUid,
      sopClass: { system: 'urn:ietf:rfc:3986', code: `urn:oid:${instance.sopClassUid}` },
      ...(unsigned(instance.number) === undefined ? {} : { number: instance.number! }),
    })),
  };
};

/** The ImagingStudy of a stored study (IHE RAD.IMR, SMART Imaging Access): all series and instances, counts, WADO-RS endpoint. */
export const imagingStudy = (study: StudyRow, series: readonly SeriesContent[]): ImagingStudy => {
  const dataset = JSON.parse(study.json) as DicomJson;
  const accession = text(dataset, '00080050');
  const description = text(dataset, '00081030');
  const started = dicomDateTime(text(dataset, '00080020'), text(dataset, '00080030'), text(dataset, '00080201'));
  return {
    resourceType: 'ImagingStudy',
    id: study.imagingStudy,
    identifier: [studyIdentifier(study.studyInstanceUid), ...(accession ? [accessionIdentifier(accession)] : [])],
    status: 'available',
    modality: [...new Set(series.map(({ row }) => modalityCoding(text(JSON.parse(row.json) as DicomJson, '00080060')).code))].map(
      modalityCoding,
    ),
    subject: { reference: `Patient/${study.patient}` },
    ...(started ? { started } : {}),
    endpoint: [{ reference: `Endpoint/${ENDPOINT_ID}` }],
    numberOfSeries: series.length,
    numberOfInstances: series.reduce((sum, { instances }) => sum + instances.length, 0),
    ...(description ? { description } : {}),
    series: series.map(seriesElement),
  };
};
