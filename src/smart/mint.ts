import { randomBytes } from 'node:crypto';
import { parseScopes, scopeText } from '../access/scopes.ts';
import { Fault } from '../kernel/fault.ts';
import type { GrantStore } from './ports.ts';

export const OPERATOR_CLIENT = 'operator';

export interface MintRequest {
  readonly scope: string;
  readonly patient?: string | undefined;
  /** relative reference */
  readonly user?: string | undefined;
  /** code of v3-ActReason */
  readonly purpose?: string | undefined;
  readonly ttlSeconds: number;
}

const MAX_TTL = 3600;
const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

/**
 * An access token by an operator's hand, kept where the server keeps its own, so that a running server takes it.
 *
 * @throws Fault `invalid`
 */
export const mintToken = async (store: GrantStore, baseUrl: string, request: MintRequest): Promise<string> => {
  const scopes = parseScopes(request.scope);
  if (scopes.length === 0 || scopes.length !== new Set(request.scope.split(/\s+/).filter((scope) => scope !== '')).size)
    throw new Fault('invalid', 'A scope is not a SMART scope');
  if (request.ttlSeconds < 1 || request.ttlSeconds > MAX_TTL) throw new Fault('invalid', `A token lives 1 to ${MAX_TTL} seconds`);
  if (request.user !== undefined && !/^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(request.user))
    throw new Fault('invalid', 'The user is named as Practitioner/id');
  if (request.purpose !== undefined && !/^[A-Z]{2,20}$/.test(request.purpose))
    throw new Fault('invalid', 'The purpose is a code such as TREAT');
  const token = randomBytes(32).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  await store.upsert(
    'Client',
    OPERATOR_CLIENT,
    {
      client_id: OPERATOR_CLIENT,
      client_name: 'Operator',
      redirect_uris: [],
      response_types: [],
      grant_types: [],
      token_endpoint_auth_method: 'none',
    },
    0,
    false,
  );
  const extra = {
    ...(request.patient ? { patient: request.patient } : {}),
    ...(request.user ? { fhirUser: request.user } : {}),
    ...(request.purpose ? { purposes: `${ACT_REASON}|${request.purpose}` } : {}),
  };
  const payload = {
    kind: 'ClientCredentials',
    clientId: OPERATOR_CLIENT,
    aud: `${baseUrl}/fhir`,
    scope: scopeText(scopes),
    iat: now,
    exp: now + request.ttlSeconds,
    extra,
  };
  await store.upsert('ClientCredentials', token, payload, now + request.ttlSeconds, false);
  return token;
};
