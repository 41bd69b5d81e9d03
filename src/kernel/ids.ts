import { createHash, randomUUID } from 'node:crypto';

/** A new logical id for a FHIR resource (R4 id: 1–64 of A–Z a–z 0–9 - .). */
export const newId = (): string => randomUUID();

const asUid = (bytes: Buffer): string => `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`;

/** A new UUID-derived UID (PS3.5 §B.2). */
export const newUid = (): string => asUid(Buffer.from(randomUUID().replaceAll('-', ''), 'hex'));

/**
 * A UID that is a function of its seeds, so that a repeated run names its output the same (RFC 9562 UUIDv8 in PS3.5 §B.2 form).
 *
 * @param seeds ordered; two different lists never give the same text because each part carries its length
 */
export const seededUid = (...seeds: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const seed of seeds) hash.update(`${Buffer.byteLength(seed)}:${seed}`);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return asUid(bytes);
};

/** A FHIR id that is a function of its seeds: base64url of a SHA-256 prefix, 27 characters of the R4 id alphabet. */
export const seededId = (...seeds: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const seed of seeds) hash.update(`${Buffer.byteLength(seed)}:${seed}`);
  return hash.digest('base64url').slice(0, 27).replaceAll('_', '.');
};
