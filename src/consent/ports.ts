import type { Consent } from 'fhir/r4';

/** Where Consents are kept; every write of one moves `head`, so that a change is seen by the next request on every server. */
export interface ConsentSource {
  readonly head: () => Promise<number>;
  /** patients whose consents changed after `since`, and the head that list reaches */
  readonly changed: (since: number) => Promise<{ readonly patients: readonly string[]; readonly head: number }>;
  /** every version in force of one patient's consents */
  readonly of: (patient: string) => Promise<readonly Consent[]>;
}
