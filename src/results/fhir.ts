import { createHash } from 'node:crypto';
import type { CodeableConcept, CodeSystem, Device, DiagnosticReport, Meta, Observation, Provenance, Task } from 'fhir/r4';
import { instant } from '../kernel/clock.ts';
import { seededId } from '../kernel/ids.ts';
import { codingOf, dcm, PRIVATE_CODES, PRIVATE_SCHEME } from './codes.ts';
import { reportHtml, rounded } from './report-html.ts';
import type { Algorithm, AnalysisResult, Measurement } from './result.ts';
import { observationUid, srUids, trackingUid } from './tid1500.ts';

const OBSERVATION_VALUE = 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue';

/** Marks what an algorithm asserted (HL7 AI Transparency on FHIR). */
const AI_LABEL: Meta = { security: [{ system: OBSERVATION_VALUE, code: 'AIAST', display: 'Artificial Intelligence asserted' }] };

const concept = (...codes: Parameters<typeof codingOf>[0][]): CodeableConcept => ({
  coding: codes.map(codingOf),
  text: codes[0]!.meaning,
});
const dicomUid = (uid: string) => ({ system: 'urn:dicom:uid', value: `urn:oid:${uid}` });

export const reportIds = (jobKey: string) => ({
  report: seededId(jobKey, 'DiagnosticReport'),
  provenance: seededId(jobKey, 'Provenance'),
  task: seededId(jobKey, 'Task'),
});
const observationId = (result: AnalysisResult, measurement: Measurement): string =>
  seededId(result.jobKey, 'Observation', measurement.name.value);
export const deviceId = (algorithm: Pick<Algorithm, 'id' | 'version' | 'digest'>): string =>
  seededId('Device', algorithm.id, algorithm.version, algorithm.digest);

const reference = (type: string, id: string) => ({ reference: `${type}/${id}` });

export const device = (algorithm: Algorithm): Device => ({
  resourceType: 'Device',
  id: deviceId(algorithm),
  meta: AI_LABEL,
  identifier: [{ system: 'urn:isthmus:model', value: `${algorithm.id}|${algorithm.version}|${algorithm.digest}` }],
  status: 'active',
  manufacturer: algorithm.manufacturer,
  deviceName: [{ name: algorithm.name, type: 'manufacturer-name' }],
  modelNumber: algorithm.id,
  type: {
    coding: [
      {
        system: 'http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceType',
        code: 'Artificial-Intelligence',
        display: 'Artificial Intelligence',
      },
    ],
  },
  version: [{ value: algorithm.version }],
  property: [{ type: { text: 'package digest (SHA-256)' }, valueCode: [{ text: algorithm.digest }] }],
});

/** One Observation per measurement, with the very number of the SR (HL7 dicom-sr). */
export const observations = (result: AnalysisResult): Observation[] =>
  result.measurements.map((measurement) => ({
    resourceType: 'Observation',
    id: observationId(result, measurement),
    meta: AI_LABEL,
    identifier: [
      { type: { text: 'observation UID' }, ...dicomUid(observationUid(result, measurement)) },
      { type: { text: 'tracking UID' }, ...dicomUid(trackingUid(result)) },
    ],
    status: 'preliminary',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'imaging', display: 'Imaging' }] },
    ],
    code: concept(measurement.name),
    subject: reference('Patient', result.patient),
    effectiveDateTime: instant(result.at),
    issued: instant(result.at),
    valueQuantity: {
      value: measurement.value,
      unit: measurement.unit.meaning,
      system: 'http://unitsofmeasure.org',
      code: measurement.unit.value,
    },
    bodySite: concept(result.site),
    ...(measurement.method ? { method: concept(measurement.method) } : {}),
    device: reference('Device', deviceId(result.algorithm)),
    derivedFrom: [reference('ImagingStudy', result.imagingStudy)],
    ...(result.remarks.length > 0 ? { note: result.remarks.map((text) => ({ text })) } : {}),
  }));

/** The report a person will accept or reject: `preliminary` until then. */
export const diagnosticReport = (result: AnalysisResult): DiagnosticReport => {
  const html = Buffer.from(reportHtml(result));
  return {
    resourceType: 'DiagnosticReport',
    id: reportIds(result.jobKey).report,
    meta: AI_LABEL,
    identifier: [{ type: { text: 'SR SOP Instance UID' }, ...dicomUid(srUids(result.jobKey).instance) }],
    status: 'preliminary',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'RAD', display: 'Radiology' }] }],
    code: concept(result.procedure, dcm('126000', 'Imaging Measurement Report')),
    subject: reference('Patient', result.patient),
    effectiveDateTime: instant(result.at),
    issued: instant(result.at),
    performer: [{ display: `${result.algorithm.name} ${result.algorithm.version}` }],
    result: result.measurements.map((measurement) => reference('Observation', observationId(result, measurement))),
    imagingStudy: [reference('ImagingStudy', result.imagingStudy)],
    conclusion: `Automated measurement, not verified: ${result.measurements.map(({ name, value, unit }) => `${name.meaning} ${rounded(value)} ${unit.meaning}`).join('; ')}.${result.remarks.map((remark) => ` ${remark}.`).join('')}`,
    presentedForm: [
      {
        contentType: 'text/html',
        language: 'en-US',
        title: 'Automated measurement',
        size: html.length,
        hash: createHash('sha1').update(html).digest('base64'),
        data: html.toString('base64'),
      },
    ],
  };
};

export const provenance = (result: AnalysisResult): Provenance => ({
  resourceType: 'Provenance',
  id: reportIds(result.jobKey).provenance,
  meta: AI_LABEL,
  target: [
    reference('DiagnosticReport', reportIds(result.jobKey).report),
    ...result.measurements.map((measurement) => reference('Observation', observationId(result, measurement))),
  ],
  recorded: instant(result.at),
  reason: [{ coding: [{ system: OBSERVATION_VALUE, code: 'AIAST', display: 'Artificial Intelligence asserted' }] }],
  agent: [
    {
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code: 'performer' }] },
      who: reference('Device', deviceId(result.algorithm)),
    },
  ],
  entity: [
    { role: 'source', what: reference('ImagingStudy', result.imagingStudy) },
    { role: 'derivation', what: { identifier: dicomUid(srUids(result.jobKey).instance), display: 'Measurement report (SR)' } },
  ],
});

export interface TaskFacts {
  readonly jobKey: string;
  readonly patient: string;
  readonly imagingStudy: string;
  readonly model: Pick<Algorithm, 'id' | 'version' | 'digest'>;
  readonly status: 'requested' | 'in-progress' | 'completed' | 'failed' | 'rejected' | 'cancelled';
  /** machine code and plain words, when the job did not end with a result */
  readonly reason?: { readonly code: string; readonly text: string } | undefined;
  readonly hasReport: boolean;
  readonly createdAt: number;
  readonly at: number;
}

/** The job as the record shows it. */
export const task = (facts: TaskFacts): Task => ({
  resourceType: 'Task',
  id: reportIds(facts.jobKey).task,
  identifier: [{ system: 'urn:isthmus:job', value: facts.jobKey }],
  status: facts.status,
  ...(facts.reason
    ? { statusReason: { coding: [{ system: 'urn:isthmus:job-outcome', code: facts.reason.code }], text: facts.reason.text } }
    : {}),
  intent: 'order',
  code: { text: `Analyse with ${facts.model.id} ${facts.model.version}` },
  focus: reference('ImagingStudy', facts.imagingStudy),
  for: reference('Patient', facts.patient),
  authoredOn: instant(facts.createdAt),
  lastModified: instant(facts.at),
  ...(facts.hasReport
    ? { output: [{ type: { text: 'report' }, valueReference: reference('DiagnosticReport', reportIds(facts.jobKey).report) }] }
    : {}),
});

/** Codes of our own, so that a reader of SR or Observation can look them up. */
export const privateCodeSystem = (): CodeSystem => ({
  resourceType: 'CodeSystem',
  id: 'isthmus-codes',
  url: PRIVATE_SCHEME.url,
  identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:oid:${PRIVATE_SCHEME.uid}` }],
  name: 'IsthmusCodes',
  title: PRIVATE_SCHEME.name,
  status: 'active',
  content: 'complete',
  concept: PRIVATE_CODES.map(({ value, meaning }) => ({ code: value, display: meaning })),
});
