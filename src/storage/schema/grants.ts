/** What the authorization server keeps: one row per artefact of oidc-provider; ids of bearer artefacts are stored as digests. */
interface OidcTable {
  model: string;
  id: string;
  payload: string;
  grant_id: string;
  uid: string;
  consumed_at: number;
  /** seconds; 0 = never */
  expires_at: number;
}

/** Launch context of a grant: patient, fhirUser, purposes. */
interface SmartContextTable {
  grant_id: string;
  context: string;
}

/** A POSTed authorization request on its way through the redirect; single use. */
interface AuthorizationRequestTable {
  id: string;
  query: string;
  expires_at: number;
}

interface AccountTable {
  id: string;
  /** scrypt: salt and digest */
  password: string;
  name: string;
  fhir_user: string;
  /** `*`, or logical ids joined by blanks */
  patients: string;
  failures: number;
  /** ms */
  locked_until: number;
}

export interface GrantTables {
  oidc: OidcTable;
  smart_context: SmartContextTable;
  authorization_request: AuthorizationRequestTable;
  account: AccountTable;
}

export const GRANTS_DDL: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS oidc(model $TEXT NOT NULL, id $TEXT NOT NULL, payload $TEXT NOT NULL, grant_id $TEXT NOT NULL, uid $TEXT NOT NULL,
    consumed_at $INT NOT NULL, expires_at $INT NOT NULL, PRIMARY KEY(model, id))`,
  `CREATE INDEX IF NOT EXISTS oidc_grant ON oidc(grant_id)`,
  `CREATE INDEX IF NOT EXISTS oidc_uid ON oidc(uid)`,
  `CREATE INDEX IF NOT EXISTS oidc_expires ON oidc(expires_at)`,
  `CREATE TABLE IF NOT EXISTS smart_context(grant_id $TEXT PRIMARY KEY, context $TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS authorization_request(id $TEXT PRIMARY KEY, query $TEXT NOT NULL, expires_at $INT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS account(id $TEXT PRIMARY KEY, password $TEXT NOT NULL, name $TEXT NOT NULL, fhir_user $TEXT NOT NULL, patients $TEXT NOT NULL,
    failures $INT NOT NULL, locked_until $INT NOT NULL)`,
];
