import type { Generated } from 'kysely';

interface ResourceTable {
  pk: Generated<number>;
  type: string;
  id: string;
  version: number;
  /** ms */
  updated: number;
  /** 0 or 1 */
  deleted: number;
}

/** Every version of a resource; the text is kept once, here. */
interface VersionTable {
  resource: number;
  version: number;
  updated: number;
  /** empty for a deletion */
  body: string;
}

interface CompartmentTable {
  resource: number;
  patient: string;
}

interface TokenTable {
  resource: number;
  param: number;
  system: string;
  code: string;
}

interface StringTable {
  resource: number;
  param: number;
  norm: string;
  exact: string;
}

/** dates (ms, inclusive range), numbers and quantities (range by precision) */
interface RangeTable {
  resource: number;
  param: number;
  low: number;
  high: number;
  system: string;
  code: string;
}

interface ReferenceTable {
  resource: number;
  param: number;
  /** type and id of a resource here; type empty and id an absolute URL for another server's */
  target_type: string;
  target_id: string;
}

interface UriTable {
  resource: number;
  param: number;
  value: string;
}

/** Grows with each written Consent, so that every server sees a change at its next request. */
interface ConsentChangeTable {
  seq: Generated<number>;
  patient: string;
}

export interface ResourceTables {
  resource: ResourceTable;
  version: VersionTable;
  compartment: CompartmentTable;
  ix_token: TokenTable;
  ix_string: StringTable;
  ix_range: RangeTable;
  ix_reference: ReferenceTable;
  ix_uri: UriTable;
  consent_change: ConsentChangeTable;
}

const index = (table: string, columns: string): string[] => [
  `CREATE INDEX IF NOT EXISTS ${table}_find ON ${table}(${columns}, resource)`,
  `CREATE INDEX IF NOT EXISTS ${table}_resource ON ${table}(resource, param)`,
];

export const RESOURCES_DDL: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS resource(pk $ID, type $TEXT NOT NULL, id $TEXT NOT NULL, version $INT NOT NULL, updated $INT NOT NULL, deleted $INT NOT NULL, UNIQUE(type, id))`,
  `CREATE INDEX IF NOT EXISTS resource_updated ON resource(type, updated, pk)`,
  `CREATE TABLE IF NOT EXISTS version(resource $INT NOT NULL, version $INT NOT NULL, updated $INT NOT NULL, body $TEXT NOT NULL, PRIMARY KEY(resource, version))`,
  `CREATE TABLE IF NOT EXISTS compartment(resource $INT NOT NULL, patient $TEXT NOT NULL, PRIMARY KEY(resource, patient))`,
  `CREATE INDEX IF NOT EXISTS compartment_patient ON compartment(patient, resource)`,
  `CREATE TABLE IF NOT EXISTS ix_token(resource $INT NOT NULL, param $INT NOT NULL, system $TEXT NOT NULL, code $TEXT NOT NULL)`,
  ...index('ix_token', 'param, code, system'),
  `CREATE TABLE IF NOT EXISTS ix_string(resource $INT NOT NULL, param $INT NOT NULL, norm $TEXT NOT NULL, exact $TEXT NOT NULL)`,
  ...index('ix_string', 'param, norm'),
  `CREATE TABLE IF NOT EXISTS ix_range(resource $INT NOT NULL, param $INT NOT NULL, low $REAL NOT NULL, high $REAL NOT NULL, system $TEXT NOT NULL, code $TEXT NOT NULL)`,
  ...index('ix_range', 'param, low, high'),
  `CREATE TABLE IF NOT EXISTS ix_reference(resource $INT NOT NULL, param $INT NOT NULL, target_type $TEXT NOT NULL, target_id $TEXT NOT NULL)`,
  ...index('ix_reference', 'param, target_id, target_type'),
  `CREATE TABLE IF NOT EXISTS ix_uri(resource $INT NOT NULL, param $INT NOT NULL, value $TEXT NOT NULL)`,
  ...index('ix_uri', 'param, value'),
  `CREATE TABLE IF NOT EXISTS consent_change(seq $ID, patient $TEXT NOT NULL)`,
];
