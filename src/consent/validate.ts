import type { Consent, ConsentProvision, OperationOutcomeIssue } from 'fhir/r4';
import { dateRange } from './time.ts';

const MAX_DEPTH = 2;

const issue = (expression: string, diagnostics: string): OperationOutcomeIssue => ({
  severity: 'error',
  code: 'business-rule',
  diagnostics,
  expression: [expression],
});

const checkProvision = (provision: ConsentProvision, path: string, depth: number, issues: OperationOutcomeIssue[]): void => {
  if (depth > MAX_DEPTH) issues.push(issue(path, `Provisions are nested deeper than ${MAX_DEPTH}`));
  if (depth > 0 && provision.type === undefined) issues.push(issue(`${path}.type`, 'A nested provision must say permit or deny'));
  if (provision.period && !dateRange(provision.period.start, provision.period.end))
    issues.push(issue(`${path}.period`, 'The period is no range of dates'));
  for (const [at, nested] of (provision.provision ?? []).entries())
    checkProvision(nested, `${path}.provision[${at}]`, depth + 1, issues);
};

/** What a Consent must satisfy beyond R4 so that it can be enforced: else it would only seem to protect. */
export const validateConsent = (consent: Consent): OperationOutcomeIssue[] => {
  const issues: OperationOutcomeIssue[] = [];
  if (!/(^|\/)Patient\/[A-Za-z0-9\-.]{1,64}$/.test(consent.patient?.reference ?? ''))
    issues.push(issue('Consent.patient', 'The consent must name its patient by reference'));
  if (consent.provision) checkProvision(consent.provision, 'Consent.provision', 0, issues);
  return issues;
};
