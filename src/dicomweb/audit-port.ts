import type { Principal } from '../access/principal.ts';

/** Facts every record needs. */
export interface RequestFacts {
  readonly requestId: string;
  /** undefined = nobody could be told */
  readonly principal: Principal | undefined;
  readonly address: string;
  readonly method: string;
  /** route template, never the path */
  readonly route: string;
}

export interface StudyAccess {
  readonly studyInstanceUid: string;
  readonly imagingStudy: string;
  readonly patient: string;
  readonly accession: string;
  readonly sopClasses: readonly string[];
  readonly instanceCount: number;
}

/** What this front end leaves on record. Each promise resolves when the record is kept; the answer waits for it. */
export interface DicomwebAudit {
  /** @param query raw query string; @param found studies the answer names */
  readonly queried: (request: RequestFacts, query: string, found: readonly StudyAccess[]) => Promise<void>;
  /** one record for the whole request, before the first byte goes out */
  readonly retrieved: (request: RequestFacts, access: StudyAccess) => Promise<void>;
  /** the transfer broke off: fewer instances were sent than `retrieved` says */
  readonly interrupted: (request: RequestFacts, access: StudyAccess) => Promise<void>;
  readonly stored: (request: RequestFacts, access: StudyAccess, isNew: boolean) => Promise<void>;
  /** @param study UID of the path, when there is one @param reason machine code of the fault */
  readonly refused: (request: RequestFacts, status: number, reason: string, study: string | undefined) => Promise<void>;
}
