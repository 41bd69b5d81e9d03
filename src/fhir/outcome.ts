import type { ServerResponse } from 'node:http';
import type { OperationOutcome, OperationOutcomeIssue } from 'fhir/r4';
import { FAULTS, type Fault } from '../kernel/fault.ts';

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

/** A fault as R4 asks. The request id lets an operator find the log line without the client learning more. */
export const outcomeOf = (fault: Fault, issues: readonly OperationOutcomeIssue[] = []): OperationOutcome => ({
  resourceType: 'OperationOutcome',
  issue:
    issues.length > 0
      ? [...issues]
      : [
          {
            severity: fault.status >= 500 ? 'fatal' : 'error',
            code: FAULTS[fault.code].issue,
            diagnostics: fault.message,
            ...(fault.details.expression ? { expression: [...fault.details.expression] } : {}),
          },
        ],
});

export const sendOutcome = (response: ServerResponse, fault: Fault, issues?: readonly OperationOutcomeIssue[]): void => {
  const { retryAfterSeconds, allow } = fault.details;
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(retryAfterSeconds));
  if (allow) response.setHeader('Allow', allow.join(', '));
  if (fault.code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  const body = JSON.stringify(outcomeOf(fault, issues));
  response.writeHead(fault.status, { 'Content-Type': FHIR_JSON, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
};
