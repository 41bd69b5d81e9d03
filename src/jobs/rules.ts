import type { StudyFacts } from './ports.ts';

/** Which model runs on which studies. */
export interface Rule {
  readonly id: string;
  readonly model: string;
  /** purpose of use, fixed when the job is made */
  readonly purpose: string;
  /** DICOM modalities of series the model may see; results of our own (SR, SEG) never match, so no result starts a run */
  readonly modalities: readonly string[];
}

export const TREATDS = 'http://terminology.hl7.org/CodeSystem/v3-ActReason|TREATDS';

export const BUILT_IN_RULES: readonly Rule[] = [
  { id: 'ct-emphysema', model: 'ct-emphysema', purpose: TREATDS, modalities: ['CT'] },
];

/** The series of a study a rule speaks of; empty = the rule does not match. */
export const matchingSeries = (rule: Rule, facts: StudyFacts): StudyFacts['series'] =>
  facts.series.filter((series) => rule.modalities.includes(series.modality));
