import { type DicomJson, numberOf, stringifyDataset, textOf } from '../dicom/json.ts';
import { searchName, searchText } from './normalise.ts';
import type { InstanceAttributes } from './ports.ts';

/**
 * What a search answers with at each level: the required return keys of PS3.18 tables 10.6.3-3 to -5 and what viewers ask for.
 * Counted and derived attributes (ModalitiesInStudy, NumberOf…, RetrieveURL) are added when the answer is made.
 */
const STUDY_TAGS = [
  '00080005',
  '00080020',
  '00080030',
  '00080050',
  '00080090',
  '00080201',
  '00081030',
  '00100010',
  '00100020',
  '00100021',
  '00100030',
  '00100040',
  '0020000D',
  '00200010',
];
const SERIES_TAGS = [
  '00080021',
  '00080031',
  '00080060',
  '0008103E',
  '00081010',
  '00180015',
  '0020000E',
  '00200011',
  '00400244',
  '00400245',
  '00400275',
];
const INSTANCE_TAGS = [
  '00080016',
  '00080018',
  '00080023',
  '00080033',
  '00200013',
  '00280008',
  '00280010',
  '00280011',
  '00280100',
];

const pick = (dataset: DicomJson, tags: readonly string[]): string => {
  const picked: DicomJson = {};
  for (const tag of tags) {
    const element = dataset[tag];
    if (element) picked[tag] = element;
  }
  return stringifyDataset(picked);
};

const whole = (dataset: DicomJson, tag: string): number | undefined => {
  const value = numberOf(dataset, tag);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
};

const personName = (dataset: DicomJson, tag: string): string => {
  const value = dataset[tag]?.Value?.[0] as { Alphabetic?: string; Ideographic?: string; Phonetic?: string } | undefined;
  return searchName(searchText([value?.Alphabetic ?? '', value?.Ideographic ?? '', value?.Phonetic ?? ''].join('=')));
};

/** @param dataset as the header walker gives it */
export const attributesOf = (dataset: DicomJson): InstanceAttributes => {
  const text = (tag: string): string => searchText(textOf(dataset, tag) ?? '');
  return {
    patientId: text('00100020'),
    issuer: text('00100021'),
    patientName: personName(dataset, '00100010'),
    referringName: personName(dataset, '00080090'),
    birthDate: text('00100030'),
    sex: text('00100040'),
    studyDate: text('00080020'),
    studyTime: text('00080030'),
    accession: text('00080050'),
    studyId: text('00200010'),
    studyDescription: text('00081030'),
    modality: text('00080060'),
    seriesNumber: whole(dataset, '00200011'),
    seriesDescription: text('0008103E'),
    bodyPart: text('00180015'),
    seriesDate: text('00080021'),
    seriesTime: text('00080031'),
    performedDate: text('00400244'),
    performedTime: text('00400245'),
    station: text('00081010'),
    instanceNumber: whole(dataset, '00200013'),
    rows: whole(dataset, '00280010'),
    columns: whole(dataset, '00280011'),
    frames: whole(dataset, '00280008'),
    studyJson: pick(dataset, STUDY_TAGS),
    seriesJson: pick(dataset, SERIES_TAGS),
    instanceJson: pick(dataset, INSTANCE_TAGS),
  };
};
