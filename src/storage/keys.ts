import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CIPHER = 'aes-256-gcm';
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Wraps the key of each object, so that changing the key-encryption key never touches pixels. */
export interface KeyWrapper {
  /** @returns key id ‖ nonce ‖ sealed key ‖ tag */
  readonly wrap: (key: Buffer) => Buffer;
  /** @throws Error when the wrapping key is not the one this server has, or the bytes were changed */
  readonly unwrap: (wrapped: Uint8Array) => Buffer;
}

const keyWrapper = (kek: Buffer): KeyWrapper => {
  const keyId = createHash('sha256').update('isthmus key id').update(kek).digest().subarray(0, KEY_ID_BYTES);
  return {
    wrap: (key) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, kek, nonce);
      return Buffer.concat([keyId, nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
    },
    unwrap: (wrapped) => {
      const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength);
      if (!bytes.subarray(0, KEY_ID_BYTES).equals(keyId)) throw new Error('wrapped by another key-encryption key');
      const decipher = createDecipheriv(CIPHER, kek, bytes.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      return Buffer.concat([
        decipher.update(bytes.subarray(KEY_ID_BYTES + NONCE_BYTES, bytes.length - TAG_BYTES)),
        decipher.final(),
      ]);
    },
  };
};

/** The file key-encryption key of a data folder, made on first use with mode 0600. */
export const openKeyWrapper = (dataDir: string): KeyWrapper => {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'storage.key');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (!existsSync(path)) {
    try {
      writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const kek = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64');
  if (kek.length !== 32) throw new Error('keys/storage.key does not hold 32 bytes in base64');
  return keyWrapper(kek);
};
