import type { DicomKeywords } from '../dicom/write-check.ts';

/** A coded concept (PS3.3 §8). */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

const of =
  (scheme: string) =>
  (value: string, meaning: string): Code => ({ value, scheme, meaning });

export const dcm = of('DCM');
export const sct = of('SCT');
export const ucum = of('UCUM');
export const loinc = of('LN');
/** Concepts for which no public code was found; identified in every object and published as a CodeSystem. */
export const isthmus = of('99ISTHMUS');

export const PRIVATE_SCHEME = {
  designator: '99ISTHMUS',
  uid: '2.25.301928374650192837465019283746501928371',
  name: 'Isthmus local codes',
  responsible: 'Isthmus project',
  url: 'urn:isthmus:codes',
} as const;

/** Codes of the private scheme. */
export const PRIVATE_CODES: readonly Code[] = [
  isthmus('LAA950', 'Low attenuation area below -950 HU'),
  isthmus('LAA910', 'Low attenuation area below -910 HU'),
  isthmus('PERC15', 'Attenuation at the 15th percentile'),
  isthmus('DENSMASK', 'Density mask of the segmented lungs'),
];

const FHIR_SYSTEM: Readonly<Record<string, string>> = {
  DCM: 'http://dicom.nema.org/resources/ontology/DCM',
  SCT: 'http://snomed.info/sct',
  UCUM: 'http://unitsofmeasure.org',
  LN: 'http://loinc.org',
  [PRIVATE_SCHEME.designator]: PRIVATE_SCHEME.url,
};

/** The concept as a FHIR Coding. */
export const codingOf = (code: Code) => ({ system: FHIR_SYSTEM[code.scheme]!, code: code.value, display: code.meaning });

/** The concept as an item of a code sequence (PS3.3 table 8.8-1). */
export const codeItem = (code: Code): DicomKeywords => ({
  CodeValue: code.value,
  CodingSchemeDesignator: code.scheme,
  CodeMeaning: code.meaning,
});
