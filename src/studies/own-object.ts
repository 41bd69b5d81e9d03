import { createHeaderReader } from '../dicom/header.ts';
import { Fault } from '../kernel/fault.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import type { Tx } from '../kernel/transaction.ts';
import type { BlobStore, StudyIndex } from './ports.ts';
import { newInstance } from './receive.ts';

/** An object that the server itself made: its bytes are durable, its row is not written yet. */
export interface OwnObject {
  /** puts the object into its study, in the transaction that tells of it */
  readonly index: (tx: Tx) => Promise<void>;
  /** removes the bytes again; only when `index` did not commit */
  readonly discard: () => Promise<void>;
}

/** Keeps an object by the same path as one that arrived: same walker, same pack, same index. */
export const keepOwnObject = async (
  deps: { readonly blobs: BlobStore; readonly index: Pick<StudyIndex, 'add'> },
  bytes: Buffer,
): Promise<OwnObject> => {
  const reader = createHeaderReader();
  reader.push(bytes);
  const header = await reader.end();
  const batch = deps.blobs.batch();
  const writer = await batch.object();
  await writer.write(bytes);
  const instance = newInstance(header, await writer.end());
  await batch.sync();
  return {
    index: async (tx) => {
      const [outcome] = await deps.index.add(tx, [instance], { restriction: UNRESTRICTED, mayCreate: false, mayUpdate: true });
      if (outcome?.kind !== 'added' && outcome?.kind !== 'identical')
        throw new Fault('conflict', 'The object can not be put into its study');
    },
    discard: batch.discard,
  };
};
