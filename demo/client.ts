import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A backend service with a key pair of its own (SMART Backend Services). */
export interface Backend {
  readonly id: string;
  readonly publicKeys: { readonly keys: readonly object[] };
  /** a fresh access token by client_credentials and private_key_jwt */
  readonly token: (baseUrl: string, scope: string) => Promise<string>;
}

export const createBackend = async (id: string): Promise<Backend> => {
  const { privateKey, publicKey } = await generateKeyPair('ES384');
  const kid = randomUUID();
  return {
    id,
    publicKeys: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' }] },
    token: async (baseUrl, scope) => {
      const endpoint = `${baseUrl}/oidc/token`;
      const assertion = await new SignJWT({})
        .setProtectedHeader({ alg: 'ES384', kid, typ: 'JWT' })
        .setIssuer(id)
        .setSubject(id)
        .setAudience(endpoint)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime('4m')
        .sign(privateKey);
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        scope,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      });
      const response = await fetch(endpoint, { method: 'POST', body });
      const answer = (await response.json()) as { access_token?: string; error?: string };
      if (answer.access_token === undefined) throw new Error(`no token: ${response.status} ${answer.error ?? ''}`);
      return answer.access_token;
    },
  };
};

/** One STOW-RS body out of whole objects (PS3.18 §10.5). */
export const multipart = (objects: readonly Buffer[]): { readonly contentType: string; readonly body: Buffer } => {
  const boundary = `demo-${randomUUID()}`;
  const parts = objects.flatMap((object) => [
    Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
    object,
    Buffer.from('\r\n'),
  ]);
  return {
    contentType: `multipart/related; type="application/dicom"; boundary=${boundary}`,
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  };
};

export const stow = (baseUrl: string, token: string, objects: readonly Buffer[], study?: string): Promise<Response> => {
  const { contentType, body } = multipart(objects);
  return fetch(`${baseUrl}/dicom-web/studies${study ? `/${study}` : ''}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': contentType, Accept: 'application/dicom+json' },
    body: new Uint8Array(body),
  });
};
