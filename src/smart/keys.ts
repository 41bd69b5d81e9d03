import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SmartKeys {
  /** private JWKs, newest first */
  readonly jwks: { keys: Record<string, unknown>[] };
  readonly cookieKeys: string[];
}

const newKey = (type: 'rsa' | 'ec'): Record<string, unknown> => {
  const { privateKey } =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const jwk = privateKey.export({ format: 'jwk' }) as Record<string, unknown>;
  const kid = createHash('sha256')
    .update(JSON.stringify([jwk.kty, jwk.n ?? jwk.x, jwk.e ?? jwk.y]))
    .digest('base64url');
  return { ...jwk, use: 'sig', alg: type === 'rsa' ? 'RS256' : 'ES384', kid };
};

/** Signing and cookie keys of the authorization server, made once, readable by the owner only. */
export const openSmartKeys = (dataDir: string): SmartKeys => {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'smart.json');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) {
    const keys = { jwks: { keys: [newKey('rsa'), newKey('ec')] }, cookieKeys: [randomBytes(32).toString('base64url')] };
    try {
      writeFileSync(path, JSON.stringify(keys), { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return JSON.parse(readFileSync(path, 'utf8')) as SmartKeys;
};
