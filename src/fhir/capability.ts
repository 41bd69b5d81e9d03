import { getSearchParameters } from '@medplum/core';
import type { SearchParameter } from '@medplum/fhirtypes';
import type { CapabilityStatement } from 'fhir/r4';
import { loadDefinitions } from './definitions.ts';

/** Types this server keeps. */
export const RESOURCE_TYPES = [
  'CodeSystem',
  'Consent',
  'Device',
  'DiagnosticReport',
  'Encounter',
  'Endpoint',
  'ImagingStudy',
  'Observation',
  'Organization',
  'Patient',
  'Practitioner',
  'PractitionerRole',
  'Provenance',
  'ServiceRequest',
  'Task',
] as const;

/** Types whose resources without a patient every reader with the scope may see. */
export const PUBLIC_TYPES: readonly string[] = [
  'CodeSystem',
  'Device',
  'Endpoint',
  'Organization',
  'Practitioner',
  'PractitionerRole',
];

const SEARCHED = new Set(['token', 'string', 'date', 'number', 'quantity', 'reference', 'uri']);

const parametersOf = (type: string): SearchParameter[] =>
  (Object.values(getSearchParameters(type) ?? {}) as SearchParameter[])
    .filter(
      (parameter) =>
        SEARCHED.has(parameter.type) && parameter.expression && !parameter.code.startsWith('_') && !parameter.code.includes('.'),
    )
    .sort((a, b) => (a.code < b.code ? -1 : 1));

/** What really works, from the tables that make it work (R4 CapabilityStatement). @param date of the build that answers */
export const capabilityStatement = (baseUrl: string, version: string): CapabilityStatement => {
  loadDefinitions();
  return {
    resourceType: 'CapabilityStatement',
    id: 'isthmus',
    url: `${baseUrl}/fhir/metadata`,
    version,
    name: 'Isthmus',
    status: 'active',
    date: '2026-11-24',
    kind: 'instance',
    software: { name: 'Isthmus', version },
    implementation: { description: 'Isthmus: imaging and the record behind one gate', url: `${baseUrl}/fhir` },
    fhirVersion: '4.0.1',
    format: ['json', 'application/fhir+json'],
    rest: [
      {
        mode: 'server',
        security: {
          cors: true,
          service: [
            { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' }] },
          ],
          extension: [
            {
              url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris',
              extension: [
                { url: 'authorize', valueUri: `${baseUrl}/oidc/auth` },
                { url: 'token', valueUri: `${baseUrl}/oidc/token` },
                { url: 'introspect', valueUri: `${baseUrl}/oidc/token/introspection` },
                { url: 'revoke', valueUri: `${baseUrl}/oidc/token/revocation` },
              ],
            },
          ],
        },
        resource: RESOURCE_TYPES.map((type) => ({
          type,
          interaction: [{ code: 'read' }, { code: 'vread' }, { code: 'search-type' }, { code: 'create' }, { code: 'update' }],
          versioning: 'versioned',
          readHistory: false,
          updateCreate: true,
          conditionalCreate: false,
          conditionalUpdate: false,
          searchInclude: parametersOf(type)
            .filter((parameter) => parameter.type === 'reference')
            .map((parameter) => `${type}:${parameter.code}`),
          searchParam: [
            { name: '_id', type: 'token' },
            { name: '_lastUpdated', type: 'date' },
            ...parametersOf(type).map((parameter) => ({ name: parameter.code, type: parameter.type as 'token' })),
          ],
        })),
      },
    ],
  };
};
