import type { DicomJson } from '../dicom/json.ts';
import type { Code } from './codes.ts';
import type { ImageReference } from './content.ts';

/** What a model measured, ready to be told in SR and FHIR alike: both are made from this and can't disagree. */
export interface Measurement {
  readonly name: Code;
  readonly value: number;
  readonly unit: Code;
  readonly derivation?: Code | undefined;
  readonly method?: Code | undefined;
}

export interface Algorithm {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly manufacturer: string;
  readonly parameters: string;
  readonly digest: string;
}

export interface EvidenceInstance extends ImageReference {
  readonly seriesInstanceUid: string;
}

export interface AnalysisResult {
  /** seed of every UID and id: equal jobs name their results equally */
  readonly jobKey: string;
  readonly studyInstanceUid: string;
  /** logical ids */
  readonly patient: string;
  readonly imagingStudy: string;
  /** dataset of one source image, for the Patient and Study attributes */
  readonly source: DicomJson;
  readonly evidence: readonly EvidenceInstance[];
  readonly algorithm: Algorithm;
  readonly finding: Code;
  readonly site: Code;
  readonly procedure: Code;
  readonly measurements: readonly Measurement[];
  /** limits of the result in plain words, e.g. a protocol it was not made for */
  readonly remarks: readonly string[];
  /** where on which image the measurement is shown */
  readonly anchor: { readonly column: number; readonly row: number; readonly on: ImageReference };
  /** ms; of the job, so that a repeated run writes the same bytes */
  readonly at: number;
}
