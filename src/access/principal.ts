import type { Scope } from './scopes.ts';

/** Who asks, as the token says: made by the authorization server's token store, never from the request. */
export interface Principal {
  /** account, or client id for a token without a user */
  readonly subject: string;
  readonly clientId: string;
  /** FHIR reference of the user (`Practitioner/x`, `Patient/x`), when there is one */
  readonly fhirUser: string | undefined;
  readonly scopes: readonly Scope[];
  /** logical id of the Patient in context (SMART `patient`) */
  readonly patient: string | undefined;
  /** purposes of use, `system|code` from v3-ActReason */
  readonly purposes: readonly string[];
  /** references and `system|value` identifiers the requester counts as for Consent.provision.actor */
  readonly actors: readonly string[];
  /** last 32 characters of an opaque token, as BALP asks (agent.policy) */
  readonly tokenTail: string;
}

/** Turns the bearer token of a request into a Principal; undefined when the token is unknown, expired or revoked. */
export interface TokenReader {
  readonly principalOf: (token: string) => Promise<Principal | undefined>;
}
