import type { Request, Response } from 'express';
import type { Gate, View } from '../access/gate.ts';
import type { Principal } from '../access/principal.ts';
import type { Interaction } from '../access/scopes.ts';
import type { Log } from '../kernel/log.ts';
import type { Studies } from '../studies/service.ts';
import type { DicomwebAudit } from './audit-port.ts';

export interface DicomwebConfig {
  /** public base URL of the server, without a trailing slash */
  readonly baseUrl: string;
  readonly stowMaxBytes: number;
  /** origins of browser apps that may read answers */
  readonly corsOrigins: readonly string[];
}

export interface DicomwebDeps {
  readonly studies: Studies;
  readonly gate: Gate;
  readonly audit: DicomwebAudit;
  readonly config: DicomwebConfig;
  readonly log: Log;
}

/** One request on its way through a handler. */
export interface Context extends DicomwebDeps {
  readonly request: Request;
  readonly response: Response;
  readonly requestId: string;
  readonly principal: Principal;
  readonly view: (interaction: Interaction) => Promise<View>;
  /** Study, series and instance UID of the path */
  readonly path: {
    readonly study: string | undefined;
    readonly series: string | undefined;
    readonly instance: string | undefined;
    readonly rest: string | undefined;
  };
  /** root of the DICOMweb service, absolute */
  readonly root: string;
}

export type Handler = (context: Context) => Promise<void>;
