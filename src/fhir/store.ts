import type { Resource } from 'fhir/r4';
import type { Restriction } from '../kernel/restriction.ts';
import type { Tx } from '../kernel/transaction.ts';

export type AnyResource = Resource & { readonly resourceType: string };

/** What the index keeps of a resource, extracted by the R4 search parameters of its type. */
export interface IndexValues {
  readonly patients: readonly string[];
  readonly tokens: readonly { readonly param: number; readonly system: string; readonly code: string }[];
  readonly strings: readonly { readonly param: number; readonly norm: string; readonly exact: string }[];
  readonly ranges: readonly {
    readonly param: number;
    readonly low: number;
    readonly high: number;
    readonly system: string;
    readonly code: string;
  }[];
  readonly references: readonly { readonly param: number; readonly targetType: string; readonly targetId: string }[];
  readonly uris: readonly { readonly param: number; readonly value: string }[];
}

/** One version as it is kept: the JSON text is what was written, decimals untouched. */
export interface StoredResource {
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  /** ms */
  readonly updated: number;
  readonly deleted: boolean;
  /** logical ids of the Patients whose compartments hold it */
  readonly patients: readonly string[];
  /** empty when deleted */
  readonly text: string;
}

/** One value of a search parameter, parsed; several in one criterion are alternatives (R4 search §3.1.1.4). */
export type SearchValue =
  /** undefined system = any; empty = none */
  | { readonly kind: 'token'; readonly system: string | undefined; readonly code: string | undefined }
  | { readonly kind: 'string'; readonly text: string; readonly match: 'prefix' | 'exact' | 'contains' }
  | {
      readonly kind: 'range';
      readonly comparator: string;
      readonly low: number;
      readonly high: number;
      readonly system?: string;
      readonly code?: string;
    }
  | { readonly kind: 'reference'; readonly type: string | undefined; readonly id: string }
  | { readonly kind: 'uri'; readonly value: string }
  | { readonly kind: 'missing'; readonly missing: boolean };

export type SearchTable = 'ix_token' | 'ix_string' | 'ix_range' | 'ix_reference' | 'ix_uri';

export type Criterion =
  | {
      readonly on: 'index';
      readonly table: SearchTable;
      readonly param: number;
      readonly values: readonly SearchValue[];
      readonly negated: boolean;
    }
  | { readonly on: 'id'; readonly ids: readonly string[] }
  | { readonly on: 'updated'; readonly values: readonly SearchValue[] };

export interface SortKey {
  /** `updated`, `id`, or the lowest value of an indexed parameter */
  readonly by: 'updated' | 'id' | { readonly table: 'ix_range' | 'ix_string' | 'ix_token'; readonly param: number };
  readonly descending: boolean;
}

export interface ResourceQuery {
  readonly type: string;
  readonly criteria: readonly Criterion[];
  /** alternatives that scopes demand; undefined = none */
  readonly filters: readonly (readonly Criterion[])[] | undefined;
  readonly sort: readonly SortKey[];
  readonly count: number;
  /** sort values and key of the last row of the page before */
  readonly after: readonly (string | number)[] | undefined;
}

export interface ResourcePage {
  readonly rows: readonly StoredResource[];
  /** undefined = no further row */
  readonly next: readonly (string | number)[] | undefined;
}

export interface WriteOptions {
  /** version the writer has seen. @throws Fault `precondition` when it is not the present one */
  readonly ifMatch?: string | undefined;
  /** equal content leaves the resource at its version */
  readonly unchangedIsNoop?: boolean;
}

export interface WriteOutcome {
  readonly stored: StoredResource;
  readonly created: boolean;
}

/** The versioned record. Writing needs a transaction, so that several resources are one change. */
export interface ResourceStore {
  /** @param text the JSON to be kept; without it the resource is serialised */
  readonly write: (
    tx: Tx,
    resource: AnyResource & { readonly id: string },
    options?: WriteOptions & { readonly text?: string },
  ) => Promise<WriteOutcome>;
  readonly read: (type: string, id: string, tx?: Tx) => Promise<StoredResource | undefined>;
  readonly version: (type: string, id: string, versionId: string) => Promise<StoredResource | undefined>;
  readonly search: (query: ResourceQuery, restriction: Restriction) => Promise<ResourcePage>;
  /** @returns undefined when consent judges resource by resource: a number could then tell of what is hidden */
  readonly count: (query: ResourceQuery, restriction: Restriction) => Promise<number | undefined>;
  /** resources of a type that refer to one of the targets by a parameter */
  readonly referring: (
    type: string,
    param: number,
    targets: readonly { readonly type: string; readonly id: string }[],
    restriction: Restriction,
  ) => Promise<StoredResource[]>;
  /** one of a type by an identifier, for the server's own linking */
  readonly findByToken: (tx: Tx, type: string, param: number, system: string, code: string) => Promise<string | undefined>;
}

/** Stable number of a search parameter: FNV-1a of `Type.code`. */
export const paramKey = (type: string, code: string): number => {
  let hash = 0x811c9dc5;
  for (const character of `${type}.${code}`) {
    hash ^= character.charCodeAt(0);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 1;
};
