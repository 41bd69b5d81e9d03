import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/**
 * A pack holds the objects of one request, one after the other:
 *
 *   file    `ISTHPK01`, objects, footer, UInt32LE footer length, `ISTHEND1`
 *   object  `OBJ1`, UInt8 length of the wrapped key, wrapped key, frames
 *   frame   at most 64 KiB; encrypted: ciphertext and 16-byte tag (AES-256-GCM), else plain
 *   footer  JSON list of { offset, length, sha256 }: with it the index can be rebuilt from packs alone
 *
 * Frames make any byte range readable without opening the whole object. Every object has a key of its own, so a frame's
 * number is a nonce that never repeats under one key.
 */
export const PACK_MAGIC = Buffer.from('ISTHPK01', 'latin1');
export const PACK_END = Buffer.from('ISTHEND1', 'latin1');
export const OBJECT_MAGIC = Buffer.from('OBJ1', 'latin1');
export const FRAME_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const KEY_BYTES = 32;

export const newDataKey = (): Buffer => randomBytes(KEY_BYTES);

const nonceOf = (frame: number): Buffer => {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(frame, NONCE_BYTES - 6, 6);
  return nonce;
};

/** @returns ciphertext and tag, to be written one after the other */
export const sealFrame = (key: Buffer, frame: number, plain: Buffer): [Buffer, Buffer] => {
  const cipher = createCipheriv(CIPHER, key, nonceOf(frame));
  const sealed = cipher.update(plain);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
};

/** @throws Error when a byte of the frame was changed */
export const openFrame = (key: Buffer, frame: number, sealed: Buffer): Buffer => {
  const decipher = createDecipheriv(CIPHER, key, nonceOf(frame));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  decipher.final();
  return plain;
};
