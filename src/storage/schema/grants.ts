// biome-ignore lint/complexity/noBannedTypes: filled by the authorization server's store
export type GrantTables = {};
export const GRANTS_DDL: readonly string[] = [];
