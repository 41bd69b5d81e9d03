import type { Restriction } from '../kernel/restriction.ts';
import type { Found, InstanceMetadata, InstanceRow, Selection, StorePermission, StudyQuery, StudyRow } from './ports.ts';

/** How one instance of a store request ended. Failures are data, not exceptions (PS3.18 §10.5.3). */
export type StoreResult =
  | {
      readonly kind: 'stored';
      readonly sopClassUid: string;
      readonly sopInstanceUid: string;
      readonly studyInstanceUid: string;
      readonly seriesInstanceUid: string;
      /** logical id of the Patient */
      readonly patient: string;
      readonly imagingStudy: string;
      readonly accession: string;
      /** identical bytes were here before */
      readonly known: boolean;
      readonly studyIsNew: boolean;
      /** (0008,1196), PS3.18 §I.2.1 */
      readonly warningReason: number | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly sopClassUid: string | undefined;
      readonly sopInstanceUid: string | undefined;
      /** (0008,1197), PS3.18 §I.2.2 */
      readonly failureReason: number;
      /** for the Warning header and the log: no value of the object in it */
      readonly message: string;
    };

/** A store request in progress: the front end gives the parts as they stream in, in order, one at a time. */
export interface Reception {
  /**
   * One Part 10 object. Never rejects for what is wrong with the object; such a part is drained and reported by `commit`.
   *
   * @throws Fault `busy` / `full` when the disk refuses
   */
  readonly object: (bytes: AsyncIterable<Buffer>) => Promise<void>;
  /** A part that the front end already knows to be unusable: it takes its place in the list of results. */
  readonly refuse: (failureReason: number, message: string) => void;
  /** Makes everything durable in one commit and answers for each object in order. */
  readonly commit: () => Promise<StoreResult[]>;
  /** Drops everything that was received so far: nothing was acknowledged. */
  readonly abort: () => Promise<void>;
}

/** What the front ends ask of the studies room. */
export interface Studies {
  /** @param onlyStudy instances of another study fail (PS3.18 §10.5.1, POST to /studies/{study}) */
  readonly receive: (options: { onlyStudy: string | undefined } & StorePermission) => Reception;
  readonly search: (query: StudyQuery, restriction: Restriction) => Promise<{ rows: Found[]; more: boolean }>;
  readonly study: (studyInstanceUid: string, restriction: Restriction) => Promise<StudyRow | undefined>;
  readonly instances: (selection: Selection, restriction: Restriction) => AsyncGenerator<InstanceRow>;
  readonly metadata: (selection: Selection, restriction: Restriction) => AsyncGenerator<InstanceMetadata>;
  /** The Part 10 bytes as received. */
  readonly bytes: (row: InstanceRow, start?: number, end?: number) => AsyncGenerator<Buffer>;
}
