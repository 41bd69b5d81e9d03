/** Tables of the FHIR store; columns are defined by the room that fills them. */
// biome-ignore lint/complexity/noBannedTypes: filled by the FHIR store
export type ResourceTables = {};
export const RESOURCES_DDL: readonly string[] = [];
