import { hasControlCharacters, withoutControlCharacters } from '../dicom/control-characters.ts';
import { type DicomJson, textOf } from '../dicom/json.ts';
import { isUid } from '../dicom/uid.ts';
import type { DicomKeywords } from '../dicom/write-check.ts';
import { seededUid } from '../kernel/ids.ts';
import { codeItem, dcm, loinc, PRIVATE_SCHEME, sct } from './codes.ts';
import { code, container, image, number, point, text, uidReference } from './content.ts';
import { evidenceSequence } from './evidence.ts';
import type { Algorithm, AnalysisResult, Measurement } from './result.ts';

export const COMPREHENSIVE_3D_SR = '1.2.840.10008.5.1.4.1.1.88.34';
const SERIES_NUMBER = 9001;

export const srUids = (jobKey: string) => ({ series: seededUid(jobKey, 'SR series'), instance: seededUid(jobKey, 'SR') });
export const trackingUid = (result: AnalysisResult): string =>
  seededUid(result.studyInstanceUid, result.algorithm.id, 'tracking');
export const trackingId = (result: AnalysisResult): string => `${result.algorithm.name} lungs`;
export const observationUid = (result: AnalysisResult, measurement: Measurement): string =>
  seededUid(result.jobKey, 'observation', measurement.name.value);

/** Attributes the report shares with the study (PS3.3 §C.7.1.1, §C.7.2.1), value for value, what was absent stays empty. */
const COPIED: Readonly<Record<string, string>> = {
  PatientID: '00100020',
  IssuerOfPatientID: '00100021',
  PatientBirthDate: '00100030',
  PatientSex: '00100040',
  StudyInstanceUID: '0020000D',
  StudyDate: '00080020',
  StudyTime: '00080030',
  StudyID: '00200010',
  AccessionNumber: '00080050',
  StudyDescription: '00081030',
  TimezoneOffsetFromUTC: '00080201',
};
const REQUIRED = new Set(['PatientID', 'PatientBirthDate', 'PatientSex', 'StudyDate', 'StudyTime', 'StudyID', 'AccessionNumber']);
/** Forms that a source may break; a broken value is left empty, never repaired and never copied on. */
const FORMS: Readonly<Record<string, RegExp>> = {
  PatientBirthDate: /^\d{8}$/,
  StudyDate: /^\d{8}$/,
  StudyTime: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/,
  PatientSex: /^[MFO]$/,
  TimezoneOffsetFromUTC: /^[+-]\d{4}$/,
  StudyID: /^.{0,16}$/,
  AccessionNumber: /^.{0,16}$/,
  PatientID: /^.{0,64}$/,
  StudyDescription: /^.{0,64}$/,
  IssuerOfPatientID: /^.{0,64}$/,
};

const personName = (source: DicomJson, tag: string): string => {
  const name = source[tag]?.Value?.[0] as { Alphabetic?: string; Ideographic?: string; Phonetic?: string } | undefined;
  return withoutControlCharacters([name?.Alphabetic ?? '', name?.Ideographic ?? '', name?.Phonetic ?? ''].join('='))
    .replaceAll('\\', '')
    .replace(/=+$/, '');
};

const patientAndStudy = (source: DicomJson): DicomKeywords => {
  const copied: Record<string, string> = {
    PatientName: personName(source, '00100010'),
    ReferringPhysicianName: personName(source, '00080090'),
  };
  for (const [keyword, tag] of Object.entries(COPIED)) {
    const value = (textOf(source, tag) ?? '').trim();
    const usable =
      value !== '' &&
      !value.includes('\\') &&
      !hasControlCharacters(value) &&
      (FORMS[keyword]?.test(value) ?? true) &&
      (keyword !== 'StudyInstanceUID' || isUid(value));
    if (usable) copied[keyword] = value;
    else if (REQUIRED.has(keyword)) copied[keyword] = '';
  }
  return copied;
};

const DEVICE_SERIAL = '1';

const equipment = ({ name, version, manufacturer }: Algorithm): DicomKeywords => ({
  Manufacturer: manufacturer,
  ManufacturerModelName: name,
  DeviceSerialNumber: DEVICE_SERIAL,
  SoftwareVersions: version,
  ContributingEquipmentSequence: [
    {
      PurposeOfReferenceCodeSequence: [codeItem(dcm('109102', 'Processing Equipment'))],
      Manufacturer: manufacturer,
      ManufacturerModelName: name,
      SoftwareVersions: version,
      ContributionDescription: 'Automated measurement, not verified by a person',
    },
  ],
});

/** TID 4019: name and version of the algorithm, in every group. */
const algorithmItems = (algorithm: Algorithm): DicomKeywords[] => [
  text('HAS CONCEPT MOD', dcm('111001', 'Algorithm Name'), algorithm.name),
  text('HAS CONCEPT MOD', dcm('111003', 'Algorithm Version'), algorithm.version),
  text('HAS CONCEPT MOD', dcm('111002', 'Algorithm Parameters'), algorithm.parameters),
  text('HAS CONCEPT MOD', dcm('122405', 'Algorithm Manufacturer'), algorithm.manufacturer),
  code('HAS CONCEPT MOD', dcm('111000', 'Algorithm Family'), dcm('123110', 'Artificial Intelligence')),
];

const measurementItem = (result: AnalysisResult, measurement: Measurement, dateTime: string): DicomKeywords =>
  number(
    'CONTAINS',
    measurement.name,
    measurement.value,
    measurement.unit,
    [
      ...(measurement.method ? [code('HAS CONCEPT MOD', sct('370129005', 'Measurement Method'), measurement.method)] : []),
      ...(measurement.derivation ? [code('HAS CONCEPT MOD', dcm('121401', 'Derivation'), measurement.derivation)] : []),
      // A viewer shows a number only where it has a place on an image.
      point('INFERRED FROM', result.anchor.column, result.anchor.row, result.anchor.on),
    ],
    { ObservationDateTime: dateTime, ObservationUID: observationUid(result, measurement) },
  );

/** TID 1501 Measurement and Qualitative Evaluation Group. */
const measurementGroup = (result: AnalysisResult, dateTime: string): DicomKeywords =>
  container(
    'CONTAINS',
    dcm('125007', 'Measurement Group'),
    [
      text('HAS OBS CONTEXT', dcm('112039', 'Tracking Identifier'), trackingId(result)),
      uidReference('HAS OBS CONTEXT', dcm('112040', 'Tracking Unique Identifier'), trackingUid(result)),
      code('CONTAINS', dcm('121071', 'Finding'), result.finding),
      ...algorithmItems(result.algorithm),
      code('HAS CONCEPT MOD', sct('363698007', 'Finding Site'), result.site),
      ...result.measurements.map((measurement) => measurementItem(result, measurement, dateTime)),
      ...result.remarks.map((remark) => text('CONTAINS', dcm('121106', 'Comment'), remark)),
    ],
    '1501',
  );

const stamp = (at: number) => {
  const digits = new Date(at).toISOString().replace(/[-:TZ]/g, '');
  return { date: digits.slice(0, 8), time: digits.slice(8, 14), dateTime: `${digits.slice(0, 14)}+0000` };
};

/** TID 1500 Measurement Report as a Comprehensive 3D SR, unverified: an algorithm's word, not yet a person's. */
export const measurementReport = (result: AnalysisResult): DicomKeywords => {
  const { algorithm } = result;
  const { date, time, dateTime } = stamp(result.at);
  const uids = srUids(result.jobKey);
  const root = container(
    'CONTAINS',
    dcm('126000', 'Imaging Measurement Report'),
    [
      code('HAS CONCEPT MOD', dcm('121049', 'Language of Content Item and Descendants'), {
        value: 'en-US',
        scheme: 'RFC5646',
        meaning: 'English (United States)',
      }),
      code('HAS OBS CONTEXT', dcm('121005', 'Observer Type'), dcm('121007', 'Device')),
      uidReference(
        'HAS OBS CONTEXT',
        dcm('121012', 'Device Observer UID'),
        seededUid('device', algorithm.id, algorithm.version, algorithm.digest),
      ),
      text('HAS OBS CONTEXT', dcm('121013', 'Device Observer Name'), algorithm.name),
      text('HAS OBS CONTEXT', dcm('121014', 'Device Observer Manufacturer'), algorithm.manufacturer),
      text('HAS OBS CONTEXT', dcm('121015', 'Device Observer Model Name'), algorithm.name),
      text('HAS OBS CONTEXT', dcm('121016', 'Device Observer Serial Number'), DEVICE_SERIAL),
      code('HAS CONCEPT MOD', dcm('121058', 'Procedure reported'), result.procedure),
      container('CONTAINS', dcm('111028', 'Image Library'), [
        container('CONTAINS', dcm('126200', 'Image Library Group'), [
          code('HAS ACQ CONTEXT', dcm('121139', 'Modality'), dcm('CT', 'Computed Tomography')),
          ...result.evidence.map((instance) => image('CONTAINS', undefined, instance)),
        ]),
      ]),
      container('CONTAINS', dcm('126010', 'Imaging Measurements'), [measurementGroup(result, dateTime)]),
    ],
    '1500',
  );
  const { RelationshipType: _, ...content } = root;
  return {
    ...patientAndStudy(result.source),
    SOPClassUID: COMPREHENSIVE_3D_SR,
    SOPInstanceUID: uids.instance,
    InstanceCreationDate: date,
    InstanceCreationTime: time,
    CodingSchemeIdentificationSequence: [
      {
        CodingSchemeDesignator: PRIVATE_SCHEME.designator,
        CodingSchemeUID: PRIVATE_SCHEME.uid,
        CodingSchemeName: PRIVATE_SCHEME.name,
        CodingSchemeResponsibleOrganization: PRIVATE_SCHEME.responsible,
      },
    ],
    Modality: 'SR',
    SeriesInstanceUID: uids.series,
    SeriesNumber: SERIES_NUMBER,
    SeriesDate: date,
    SeriesTime: time,
    SeriesDescription: `AI: ${algorithm.name} ${algorithm.version}`.slice(0, 64),
    ReferencedPerformedProcedureStepSequence: [],
    ...equipment(algorithm),
    InstanceNumber: 1,
    CompletionFlag: 'COMPLETE',
    VerificationFlag: 'UNVERIFIED',
    PreliminaryFlag: 'PRELIMINARY',
    ContentDate: date,
    ContentTime: time,
    PerformedProcedureCodeSequence: [],
    CurrentRequestedProcedureEvidenceSequence: evidenceSequence(result.studyInstanceUid, result.evidence),
    ...content,
  };
};

export const CT_CHEST = loinc('24627-2', 'CT Chest');
