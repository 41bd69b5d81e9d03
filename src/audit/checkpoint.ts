import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Size and root of the log at one time, signed (C2SP tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

const ED25519 = 0x01;

/** Key id of a signed note: SHA-256(name ‖ LF ‖ algorithm ‖ key), first four bytes (C2SP signed-note). */
const keyId = (origin: string, publicKey: KeyObject): Buffer => {
  const raw = Buffer.from((publicKey.export({ format: 'jwk' }) as { x: string }).x, 'base64url');
  return createHash('sha256')
    .update(`${origin}\n`)
    .update(Buffer.from([ED25519]))
    .update(raw)
    .digest()
    .subarray(0, 4);
};

const bodyOf = ({ origin, size, root }: Checkpoint): string => `${origin}\n${size}\n${root.toString('base64')}\n`;

export const signCheckpoint = (checkpoint: Checkpoint, key: KeyObject): string => {
  const body = bodyOf(checkpoint);
  const signature = Buffer.concat([keyId(checkpoint.origin, createPublicKey(key)), sign(null, Buffer.from(body), key)]);
  return `${body}\n\u2014 ${checkpoint.origin} ${signature.toString('base64')}\n`;
};

/** @returns undefined when the text is no checkpoint or its signature is not of this key */
export const openCheckpoint = (text: string, publicKey: KeyObject): Checkpoint | undefined => {
  const match = /^([^\n]+)\n(\d{1,15})\n([A-Za-z0-9+/=]+)\n\n\u2014 ([^\n ]+) ([A-Za-z0-9+/=]+)\n$/.exec(text);
  if (!match || match[1] !== match[4]) return undefined;
  const checkpoint = { origin: match[1]!, size: Number(match[2]), root: Buffer.from(match[3]!, 'base64') };
  const signature = Buffer.from(match[5]!, 'base64');
  if (!signature.subarray(0, 4).equals(keyId(checkpoint.origin, publicKey))) return undefined;
  return verify(null, Buffer.from(bodyOf(checkpoint)), publicKey, signature.subarray(4)) ? checkpoint : undefined;
};
