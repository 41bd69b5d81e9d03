/** SMART App Launch 2.2 discovery: what is here, and nothing that is not. */
export const smartConfiguration = (baseUrl: string): Record<string, unknown> => {
  const issuer = `${baseUrl}/oidc`;
  return {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    introspection_endpoint: `${issuer}/token/introspection`,
    revocation_endpoint: `${issuer}/token/revocation`,
    grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
    scopes_supported: [
      'openid',
      'fhirUser',
      'launch/patient',
      'offline_access',
      'online_access',
      'patient/*.rs',
      'patient/*.read',
      'user/*.rs',
      'user/*.cruds',
      'system/*.rs',
      'system/*.cruds',
    ],
    capabilities: [
      'launch-standalone',
      'authorize-post',
      'client-public',
      'client-confidential-symmetric',
      'client-confidential-asymmetric',
      'sso-openid-connect',
      'context-standalone-patient',
      'permission-offline',
      'permission-online',
      'permission-patient',
      'permission-user',
      'permission-v1',
      'permission-v2',
      'smart-imaging-access',
    ],
    associated_endpoints: [{ url: `${baseUrl}/dicom-web`, capabilities: ['smart-imaging-access'] }],
  };
};

export const openidConfiguration = (baseUrl: string): Record<string, unknown> => {
  const issuer = `${baseUrl}/oidc`;
  return {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES384'],
  };
};
