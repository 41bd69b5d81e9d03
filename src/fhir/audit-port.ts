import type { Principal } from '../access/principal.ts';

export interface RequestFacts {
  readonly requestId: string;
  readonly principal: Principal | undefined;
  readonly address: string;
  readonly method: string;
  /** route template, never the path */
  readonly route: string;
}

export interface ResourceFacts {
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  readonly patients: readonly string[];
}

/** What this front end leaves on record; the answer waits for each. */
export interface FhirAudit {
  readonly read: (request: RequestFacts, resource: ResourceFacts, vread: boolean) => Promise<void>;
  /** @param query the request's query or form as it came @param understood the parameters that were used */
  readonly searched: (
    request: RequestFacts,
    type: string,
    query: string,
    understood: string,
    patients: readonly string[],
  ) => Promise<void>;
  readonly written: (request: RequestFacts, resource: ResourceFacts, created: boolean) => Promise<void>;
  readonly refused: (
    request: RequestFacts,
    status: number,
    reason: string,
    target: { readonly type: string | undefined; readonly id: string | undefined },
  ) => Promise<void>;
}
