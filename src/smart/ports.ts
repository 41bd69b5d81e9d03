/** Launch context that a grant carries into every token made from it (SMART App Launch 2.2). */
export interface LaunchContext {
  readonly patient?: string;
  /** relative reference */
  readonly fhirUser?: string;
  /** `system|code` of v3-ActReason */
  readonly purposes: readonly string[];
}

export interface Account {
  readonly id: string;
  readonly name: string;
  /** relative reference: `Practitioner/x` */
  readonly fhirUser: string;
  /** patients the account may choose; undefined = all */
  readonly patients: readonly string[] | undefined;
}

export interface StoredArtefact {
  readonly payload: Record<string, unknown>;
  readonly consumed: boolean;
}

/** The store behind oidc-provider's adapter. */
export interface GrantStore {
  /** @throws GrantConflict when `once` and the artefact exists */
  readonly upsert: (
    model: string,
    id: string,
    payload: Record<string, unknown>,
    expiresAt: number,
    once: boolean,
  ) => Promise<void>;
  readonly find: (model: string, id: string) => Promise<StoredArtefact | undefined>;
  readonly findByUid: (model: string, uid: string) => Promise<StoredArtefact | undefined>;
  /** @returns false when it was consumed before */
  readonly consume: (model: string, id: string) => Promise<boolean>;
  readonly destroy: (model: string, id: string) => Promise<void>;
  readonly revokeByGrantId: (grantId: string) => Promise<void>;
  readonly list: (model: string) => Promise<Record<string, unknown>[]>;
  readonly saveContext: (grantId: string, context: LaunchContext) => Promise<void>;
  readonly context: (grantId: string) => Promise<LaunchContext | undefined>;
  readonly saveRequest: (id: string, query: string, expiresAt: number) => Promise<void>;
  /** gives it out once */
  readonly takeRequest: (id: string) => Promise<string | undefined>;
}

/** Another request was first. */
export class GrantConflict extends Error {
  override readonly name = 'GrantConflict';
}

export interface Accounts {
  readonly add: (account: Account, password: string) => Promise<void>;
  readonly find: (id: string) => Promise<Account | undefined>;
  /** `locked` after five failures in a row, for a minute */
  readonly signIn: (id: string, password: string) => Promise<Account | 'refused' | 'locked'>;
}

export interface PatientChoice {
  readonly id: string;
  readonly name: string;
  readonly birthDate: string;
}

/** Patients for the picker, by name; wired in main.ts. */
export interface PatientDirectory {
  readonly list: (only: readonly string[] | undefined, search: string) => Promise<PatientChoice[]>;
}

export interface SmartAudit {
  readonly tokenIssued: (facts: {
    clientId: string;
    subject: string;
    scope: string;
    tokenTail: string;
    address: string;
  }) => Promise<void>;
  readonly refused: (facts: { clientId: string | undefined; reason: string; address: string }) => Promise<void>;
  readonly signIn: (facts: { subject: string; success: boolean; address: string }) => Promise<void>;
}
