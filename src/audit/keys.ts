import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The log's signing key, made once, readable by the owner only; its public half lies beside it for whoever verifies. */
export const openAuditKeys = (dataDir: string): { signingKey: KeyObject; publicKey: KeyObject; publicPath: string } => {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'audit-ed25519.pem');
  const publicPath = join(folder, 'audit-ed25519.pub.pem');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    try {
      writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const signingKey = createPrivateKey(readFileSync(path));
  const publicKey = createPublicKey(signingKey);
  if (!existsSync(publicPath)) writeFileSync(publicPath, publicKey.export({ type: 'spki', format: 'pem' }), { mode: 0o644 });
  return { signingKey, publicKey, publicPath };
};
