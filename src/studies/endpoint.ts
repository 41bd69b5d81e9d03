import type { Endpoint } from 'fhir/r4';
import { ENDPOINT_ID } from './imaging-study.ts';

/** Where images of every study are fetched, with the token that opened the record (SMART Imaging Access). */
export const wadoEndpoint = (baseUrl: string): Endpoint => ({
  resourceType: 'Endpoint',
  id: ENDPOINT_ID,
  extension: [{ url: 'http://hl7.org/fhir/smart-app-launch/StructureDefinition/requires-access-token', valueBoolean: true }],
  status: 'active',
  connectionType: { system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type', code: 'dicom-wado-rs' },
  name: 'Isthmus DICOMweb',
  payloadType: [{ coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: '113014', display: 'DICOM Study' }] }],
  payloadMimeType: ['application/dicom', 'application/dicom+json', 'application/octet-stream'],
  address: `${baseUrl}/dicom-web`,
});
