import type { Judged, Restriction } from '../kernel/restriction.ts';
import type { Principal } from './principal.ts';
import type { Interaction } from './scopes.ts';

/** What one request may do with one resource type: token × scope × compartment × consent. */
export interface View {
  readonly principal: Principal;
  readonly type: string;
  readonly interaction: Interaction;
  readonly restriction: Restriction;
  /** logical id of the only Patient the scopes speak of; undefined = not confined to one */
  readonly confinedTo: string | undefined;
  /** Whether a resource (as stored, or about to be stored) lies within the scopes; consent is not asked for writing. `patients` = its compartments. */
  readonly admits: (resource: Judged, patients: readonly string[]) => boolean;
}

/** THE gate: both front ends query through the View it gives, and nothing else decides who sees what. */
export interface Gate {
  /**
   * @param authorization the Authorization header
   * @throws Fault `unauthenticated` when there is no valid bearer token
   */
  readonly authenticate: (authorization: string | undefined) => Promise<Principal>;
  /** @throws Fault `scopeDenied` when no scope of the token speaks of this interaction on this type */
  readonly view: (principal: Principal, type: string, interaction: Interaction) => Promise<View>;
}
