import type { Request, Response } from 'express';
import type { OperationOutcomeIssue } from 'fhir/r4';
import type { Gate, View } from '../access/gate.ts';
import type { Principal } from '../access/principal.ts';
import type { Interaction } from '../access/scopes.ts';
import { Fault } from '../kernel/fault.ts';
import type { Log } from '../kernel/log.ts';
import type { Transactor } from '../kernel/transaction.ts';
import type { FhirAudit, RequestFacts } from './audit-port.ts';
import type { AnyResource, ResourceStore } from './store.ts';

export interface FhirConfig {
  /** public base URL of the server, without a trailing slash */
  readonly baseUrl: string;
  readonly maxBytes: number;
  readonly corsOrigins: readonly string[];
}

export interface FhirDeps {
  readonly store: ResourceStore;
  readonly transactor: Transactor;
  readonly gate: Gate;
  readonly audit: FhirAudit;
  readonly config: FhirConfig;
  readonly log: Log;
  /** what must be in the record before it is read: studies that were stored and not yet shown */
  readonly beforeRead: (type: string) => Promise<void>;
  /** further rules for what a client writes. @throws Fault `invalid` */
  readonly checkWrite: (resource: AnyResource) => void;
  readonly smartConfiguration: () => unknown;
  readonly openidConfiguration: () => unknown;
  /** signs page cursors */
  readonly cursorKey: Buffer;
}

export interface Context extends FhirDeps {
  readonly request: Request;
  readonly response: Response;
  readonly requestId: string;
  readonly principal: Principal;
  readonly type: string;
  readonly id: string | undefined;
  readonly versionId: string | undefined;
  readonly view: (interaction: Interaction, type?: string) => Promise<View>;
  readonly facts: RequestFacts;
  /** absolute URL of the endpoint */
  readonly base: string;
}

export type Handler = (context: Context) => Promise<void>;

/** A resource that R4 does not allow: carries every issue to the OperationOutcome. */
export class InvalidResource extends Fault {
  readonly issues: readonly OperationOutcomeIssue[];

  constructor(issues: readonly OperationOutcomeIssue[]) {
    super('invalid', 'The resource is not valid');
    this.issues = issues;
  }
}
