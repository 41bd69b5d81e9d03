import { covers, parseScopes, type Scope } from '../access/scopes.ts';

/** Identity scopes that are granted by name; resource scopes come from the resource server. */
export const IDENTITY_SCOPES = ['openid', 'offline_access', 'online_access', 'fhirUser', 'profile'];

/**
 * What of the asked scopes a client may have: `system/` belongs to client_credentials and only to it; with a policy each scope
 * must be covered by one the client was registered with.
 */
export const allowedScopes = (asked: string | undefined, policy: string | undefined, isBackend: boolean): Scope[] => {
  const registered = parseScopes(policy);
  return parseScopes(asked).filter((scope) => {
    if (scope.kind !== 'resource') return !isBackend;
    if (isBackend !== (scope.context === 'system')) return false;
    return registered.length === 0 ? !isBackend : registered.some((have) => covers(have, scope));
  });
};
