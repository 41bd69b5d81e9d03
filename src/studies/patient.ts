import type { HumanName, Patient } from 'fhir/r4';
import { withoutControlCharacters } from '../dicom/control-characters.ts';
import { dicomDateTime } from './judged.ts';

const REPRESENTATION = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';
const GENDER: Readonly<Record<string, Patient['gender']>> = { M: 'male', F: 'female', O: 'other' };

export interface PatientFacts {
  readonly id: string;
  /** undefined = the object carried no PatientID: the Patient stands for one study only */
  readonly identifier: NonNullable<Patient['identifier']>[number] | undefined;
  /** Person Name component groups (PS3.5 §6.2.1) */
  readonly name: { readonly Alphabetic?: string; readonly Ideographic?: string; readonly Phonetic?: string } | undefined;
  readonly birthDate: string;
  readonly sex: string;
}

/** R4 string: no control characters but tab and line ends, nothing empty. */
const printable = (text: string | undefined): string => withoutControlCharacters(text ?? '').trim();

const humanName = (group: string | undefined, representation: string | undefined): HumanName[] => {
  const [family, given, middle, prefix, suffix] = printable(group)
    .split('^')
    .map((part) => part.trim());
  const name: HumanName = {
    ...(representation ? { extension: [{ url: REPRESENTATION, valueCode: representation }] } : {}),
    use: 'official',
    ...(family ? { family } : {}),
    ...(given || middle ? { given: [given, middle].filter((part): part is string => Boolean(part)) } : {}),
    ...(prefix ? { prefix: [prefix] } : {}),
    ...(suffix ? { suffix: [suffix] } : {}),
  };
  return family || given || middle ? [name] : [];
};

/** The Patient that DICOM tells of. Made once; what the record knows later is never overwritten from an image. */
export const patientResource = (facts: PatientFacts): Patient => {
  const names = [
    ...humanName(facts.name?.Alphabetic, facts.name?.Ideographic || facts.name?.Phonetic ? 'ABC' : undefined),
    ...humanName(facts.name?.Ideographic, 'IDE'),
    ...humanName(facts.name?.Phonetic, 'SYL'),
  ];
  const birthDate = dicomDateTime(facts.birthDate, '');
  const gender = GENDER[facts.sex.toUpperCase()];
  return {
    resourceType: 'Patient',
    id: facts.id,
    ...(facts.identifier ? { identifier: [facts.identifier] } : {}),
    ...(names.length > 0 ? { name: names } : {}),
    ...(gender ? { gender } : {}),
    ...(birthDate ? { birthDate } : {}),
  };
};
