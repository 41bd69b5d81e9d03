import { parseScopes } from '../access/scopes.ts';
import { Fault } from '../kernel/fault.ts';
import type { GrantStore } from './ports.ts';
import type { SmartClientMetadata } from './provider.ts';

export interface NewClient {
  readonly id: string;
  readonly name?: string | undefined;
  /** scopes the client may be given at most */
  readonly scope: string;
  /** key set, inline or by URL, for private_key_jwt */
  readonly jwks?: { readonly keys: readonly object[] } | undefined;
  readonly jwksUri?: string | undefined;
  /** of an app with users; without them the client is a backend service */
  readonly redirectUris?: readonly string[] | undefined;
  /** `system|code` of v3-ActReason, joined by blanks */
  readonly purposes?: string | undefined;
}

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws Fault `invalid` naming what is wrong with the registration */
export const addClient = async (store: GrantStore, client: NewClient): Promise<void> => {
  if (!ID.test(client.id)) throw new Fault('invalid', 'A client id has 1 to 64 letters, digits, hyphens and underscores');
  const asked = client.scope.split(/\s+/).filter((scope) => scope !== '');
  if (asked.length === 0 || parseScopes(client.scope).length !== new Set(asked).size)
    throw new Fault('invalid', 'A scope of the client is not a SMART scope');
  const isApp = (client.redirectUris?.length ?? 0) > 0;
  const hasKeys = client.jwks !== undefined || client.jwksUri !== undefined;
  if (!isApp && !hasKeys) throw new Fault('invalid', 'A backend client needs its public keys (--jwks)');
  if (client.jwks?.keys.some((key) => 'd' in key))
    throw new Fault('invalid', 'The key set holds a private key: give the public one');
  const metadata: SmartClientMetadata = {
    client_id: client.id,
    client_name: client.name ?? client.id,
    redirect_uris: [...(client.redirectUris ?? [])],
    response_types: isApp ? ['code'] : [],
    grant_types: isApp ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    token_endpoint_auth_method: hasKeys ? 'private_key_jwt' : 'none',
    ...(hasKeys ? { token_endpoint_auth_signing_alg: undefined as never } : {}),
    ...(client.jwks ? { jwks: client.jwks as never } : {}),
    ...(client.jwksUri ? { jwks_uri: client.jwksUri } : {}),
    application_type: isApp && client.redirectUris!.every((uri) => !uri.startsWith('http')) ? 'native' : 'web',
    smart_scopes: client.scope,
    ...(client.purposes ? { smart_purposes: client.purposes } : {}),
  };
  await store.upsert('Client', client.id, JSON.parse(JSON.stringify(metadata)) as Record<string, unknown>, 0, false);
};
