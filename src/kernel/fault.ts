/** What a fault may tell its renderer beside code and message. */
export interface FaultDetails {
  /** FHIRPath of the offending element, for OperationOutcome.issue.expression */
  readonly expression?: readonly string[];
  /** DICOM failure reason (0008,1197), PS3.18 §I.2.2 */
  readonly dicomReason?: number;
  /** value of the Retry-After header, seconds */
  readonly retryAfterSeconds?: number;
  /** methods for the Allow header of a 405 */
  readonly allow?: readonly string[];
}

/**
 * HTTP status and R4 issue-type (http://hl7.org/fhir/R4/valueset-issue-type.html), side by side.
 * What consent or scope hides from a reader is `unknown`, the same as what does not exist; `scopeDenied`
 * is for a whole kind of request that the token may not make.
 */
export const FAULTS = {
  malformed: { status: 400, issue: 'structure' },
  badParameter: { status: 400, issue: 'value' },
  unauthenticated: { status: 401, issue: 'login' },
  scopeDenied: { status: 403, issue: 'forbidden' },
  unknown: { status: 404, issue: 'not-found' },
  notAllowed: { status: 405, issue: 'not-supported' },
  notAcceptable: { status: 406, issue: 'not-supported' },
  conflict: { status: 409, issue: 'conflict' },
  gone: { status: 410, issue: 'deleted' },
  precondition: { status: 412, issue: 'conflict' },
  tooLarge: { status: 413, issue: 'too-long' },
  unsupportedMedia: { status: 415, issue: 'not-supported' },
  rangeUnsatisfiable: { status: 416, issue: 'value' },
  invalid: { status: 422, issue: 'invariant' },
  tooMany: { status: 429, issue: 'throttled' },
  bug: { status: 500, issue: 'exception' },
  unsupported: { status: 501, issue: 'not-supported' },
  busy: { status: 503, issue: 'throttled' },
  full: { status: 507, issue: 'no-store' },
} as const satisfies Record<string, { status: number; issue: string }>;

export type FaultCode = keyof typeof FAULTS;

/** The only error that crosses a folder boundary. Its message goes to the client: never a name, an ID value or a path. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly details: FaultDetails;

  constructor(code: FaultCode, message: string, details: FaultDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Fault';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }
}

/** Anything that is not a Fault is a bug of ours: the cause goes to the log, 'Internal error' to the client. */
export const asFault = (thrown: unknown): Fault =>
  thrown instanceof Fault ? thrown : new Fault('bug', 'Internal error', {}, { cause: thrown });
