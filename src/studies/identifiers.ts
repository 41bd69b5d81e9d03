import type { Identifier } from 'fhir/r4';

const V2_0203 = 'http://terminology.hl7.org/CodeSystem/v2-0203';

/**
 * Identifier system of a PatientID: an issuer that is a URI or a UID names its system itself; another text becomes one of ours;
 * without an issuer the configured system holds.
 *
 * @param issuer Issuer of Patient ID (0010,0021)
 */
export const patientIdSystem = (issuer: string, withoutIssuer: string): string => {
  if (issuer === '') return withoutIssuer;
  if (/^(urn:|https?:\/\/)\S+$/.test(issuer)) return issuer;
  if (/^[0-2](\.(0|[1-9]\d*))+$/.test(issuer)) return `urn:oid:${issuer}`;
  return `urn:isthmus:issuer:${encodeURIComponent(issuer)}`;
};

export const patientIdentifier = (system: string, patientId: string): Identifier => ({
  use: 'usual',
  type: { coding: [{ system: V2_0203, code: 'MR', display: 'Medical record number' }] },
  system,
  value: patientId,
});

/** IHE RAD.IMR: one identifier with the Study Instance UID as an OID URN. */
export const studyIdentifier = (studyInstanceUid: string): Identifier => ({
  system: 'urn:dicom:uid',
  value: `urn:oid:${studyInstanceUid}`,
});

export const accessionIdentifier = (accession: string): Identifier => ({
  type: { coding: [{ system: V2_0203, code: 'ACSN', display: 'Accession ID' }] },
  value: accession,
});
