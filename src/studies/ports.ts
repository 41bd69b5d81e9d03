import type { BulkValue } from '../dicom/header.ts';
import type { Restriction } from '../kernel/restriction.ts';
import type { Tx } from '../kernel/transaction.ts';

/** Where an object's bytes are, and what opens them. */
export interface BlobLocation {
  readonly pack: string;
  readonly offset: number;
  /** plain bytes */
  readonly length: number;
  /** the object's data key wrapped by the key-encryption key; empty when the object is not encrypted */
  readonly wrappedKey: Uint8Array;
}

/** One object being written: chunks go in as they arrive, nothing is kept in memory beyond a frame. */
export interface BlobWriter {
  /** resolves when more may be given: back-pressure */
  readonly write: (chunk: Buffer) => Promise<void>;
  readonly end: () => Promise<{ location: BlobLocation; sha256: Buffer }>;
  /** forgets the object's bytes */
  readonly abandon: () => Promise<void>;
}

/** Everything one request writes: durable as a whole or not at all. */
export interface BlobBatch {
  readonly object: () => Promise<BlobWriter>;
  /** after this the bytes of every ended object are on disk under their final name */
  readonly sync: () => Promise<void>;
  /** removes all that was written; harmless after `sync` only when no row points at it */
  readonly discard: () => Promise<void>;
}

export interface BlobStore {
  readonly batch: () => BlobBatch;
  /** plain bytes `start` (inclusive) to `end` (exclusive); throws when bytes are missing or altered */
  readonly read: (location: BlobLocation, start?: number, end?: number) => AsyncGenerator<Buffer>;
}

/** What the index keeps of an instance when it arrives. */
export interface NewInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly location: BlobLocation;
  readonly sha256: Buffer;
  /** DICOM JSON text of the whole dataset, bulk data as paths */
  readonly metadata: string;
  readonly bulk: readonly BulkValue[];
  readonly attributes: InstanceAttributes;
}

/** Attributes that are searched or shown at study, series and instance level, in their search form. */
export interface InstanceAttributes {
  readonly patientId: string;
  readonly issuer: string;
  readonly patientName: string;
  readonly referringName: string;
  readonly birthDate: string;
  readonly sex: string;
  readonly studyDate: string;
  readonly studyTime: string;
  readonly accession: string;
  readonly studyId: string;
  readonly studyDescription: string;
  readonly modality: string;
  readonly seriesNumber: number | undefined;
  readonly seriesDescription: string;
  readonly bodyPart: string;
  readonly seriesDate: string;
  readonly seriesTime: string;
  readonly performedDate: string;
  readonly performedTime: string;
  readonly station: string;
  readonly instanceNumber: number | undefined;
  readonly rows: number | undefined;
  readonly columns: number | undefined;
  readonly frames: number | undefined;
  /** DICOM JSON text of the attributes shown at each level */
  readonly studyJson: string;
  readonly seriesJson: string;
  readonly instanceJson: string;
}

export type AddOutcome =
  | { readonly kind: 'added'; readonly studyIsNew: boolean; readonly patient: string; readonly imagingStudy: string }
  /** the same bytes are already here */
  | { readonly kind: 'identical'; readonly patient: string; readonly imagingStudy: string }
  /** the SOP Instance UID is taken by other bytes, or lies in another study or series */
  | { readonly kind: 'conflict' }
  /** the study belongs to another patient, or the caller may not add to this patient or study */
  | { readonly kind: 'foreign' };

/** What the sender may do: its scopes say whether it may begin studies (`c`) or add to them (`u`), and whose. */
export interface StorePermission {
  readonly restriction: Restriction;
  readonly mayCreate: boolean;
  readonly mayUpdate: boolean;
}

export type Level = 'study' | 'series' | 'instance';

/** How one attribute is matched (PS3.4 §C.2.2.2), already parsed and normalised. */
export type Match =
  | { readonly kind: 'equals'; readonly value: string }
  | { readonly kind: 'anyOf'; readonly values: readonly string[] }
  /** `*` and `?` wildcards */
  | { readonly kind: 'wildcard'; readonly pattern: string }
  /** inclusive; either end may be open */
  | { readonly kind: 'range'; readonly from: string | undefined; readonly to: string | undefined };

/** Keys that are indexed: tag of the attribute, e.g. `00100020`. */
export interface StudyQuery {
  readonly level: Level;
  readonly studyInstanceUid: string | undefined;
  readonly seriesInstanceUid: string | undefined;
  readonly matches: ReadonlyMap<string, Match>;
  readonly limit: number;
  readonly offset: number;
}

export interface StudyRow {
  readonly studyInstanceUid: string;
  readonly imagingStudy: string;
  readonly patient: string;
  readonly json: string;
  readonly modalities: readonly string[];
  readonly seriesCount: number;
  readonly instanceCount: number;
  readonly revision: number;
}

export interface SeriesRow {
  readonly seriesInstanceUid: string;
  readonly json: string;
  readonly instanceCount: number;
}

export interface InstanceRow {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly rows: number | undefined;
  readonly columns: number | undefined;
  readonly frames: number | undefined;
  readonly number: number | undefined;
  readonly location: BlobLocation;
  readonly sha256: Buffer;
  readonly json: string;
}

/** One answer row of a search: the levels at and above the one that was asked. */
export interface Found {
  readonly study: StudyRow;
  readonly series: SeriesRow | undefined;
  readonly instance: InstanceRow | undefined;
}

/** The dataset of an instance as DICOM JSON text, and where the values lie that are not in it. */
export interface InstanceMetadata {
  readonly row: InstanceRow;
  readonly json: string;
  readonly bulk: readonly BulkValue[];
}

/** The part of a study a path names. */
export interface Selection {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string | undefined;
  readonly sopInstanceUid: string | undefined;
}

/** The index of studies: what was stored, where, and how it is found. */
export interface StudyIndex {
  /** Adds or recognises instances, counts them, and leaves one outbox row per study. One outcome for each, in order. */
  readonly add: (tx: Tx, instances: readonly NewInstance[], permission: StorePermission) => Promise<AddOutcome[]>;
  /** Rows in a stable order; `more` when a further row exists beyond the page. */
  readonly search: (query: StudyQuery, restriction: Restriction) => Promise<{ rows: Found[]; more: boolean }>;
  /** undefined when the study is absent or hidden */
  readonly study: (studyInstanceUid: string, restriction: Restriction) => Promise<StudyRow | undefined>;
  /** Instances of a selection in series and instance number order, a page at a time; nothing when absent or hidden */
  readonly instances: (selection: Selection, restriction: Restriction) => AsyncGenerator<InstanceRow>;
  /** DICOM JSON texts in the same order */
  readonly metadata: (selection: Selection, restriction: Restriction) => AsyncGenerator<InstanceMetadata>;
}

/** Work that a commit owes; it survives any crash until it is settled in the transaction that did it. */
export interface Outbox {
  /** @param dueAt ms; a later call for the same subject moves it */
  readonly owe: (tx: Tx, topic: string, subject: string, revision: number, dueAt: number) => Promise<void>;
  readonly due: (topic: string, limit: number) => Promise<{ readonly subject: string; readonly revision: number }[]>;
  /** takes the debt away unless a newer revision owes again */
  readonly settle: (tx: Tx, topic: string, subject: string, revision: number) => Promise<void>;
  /** the debt of one subject, for a reader that must not see a stale state */
  readonly owed: (topic: string, subject: string) => Promise<number | undefined>;
}
