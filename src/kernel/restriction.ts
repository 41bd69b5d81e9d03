/** A resource in its FHIR shape, as far as a verdict on it needs to know it. */
export interface Judged {
  readonly resourceType: string;
  readonly id?: string | undefined;
}

/**
 * What a query may touch, as data, so that it goes into the WHERE of every search and never filters a finished page:
 * a page, a total or a count then cannot tell of what is hidden. Made by the gate, obeyed by both stores.
 */
export interface Restriction {
  /** logical ids of Patients the query is confined to; undefined = every patient, and data that belongs to none */
  readonly onlyPatients: readonly string[] | undefined;
  /** logical ids of Patients of whom nothing may be seen */
  readonly exceptPatients: readonly string[];
  /** patients of whom some may be seen: each of their resources goes through `sees` */
  readonly mixedPatients: ReadonlySet<string>;
  readonly sees: (resource: Judged) => boolean;
  /** granular scopes: FHIR search queries on the type, without `?`; a resource passes when one matches. undefined = all pass */
  readonly filters: readonly string[] | undefined;
}

/** For work of the server itself that no reader sees: projection, job input, back-up. */
export const UNRESTRICTED: Restriction = {
  onlyPatients: undefined,
  exceptPatients: [],
  mixedPatients: new Set(),
  sees: () => true,
  filters: undefined,
};
