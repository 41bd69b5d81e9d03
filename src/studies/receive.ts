import { createHeaderReader, type DicomHeader } from '../dicom/header.ts';
import { stringifyDataset } from '../dicom/json.ts';
import { asFault, type Fault } from '../kernel/fault.ts';
import type { Transactor } from '../kernel/transaction.ts';
import { attributesOf } from './attributes.ts';
import type { AddOutcome, BlobStore, BlobWriter, NewInstance, StorePermission, StudyIndex } from './ports.ts';
import type { Reception, StoreResult } from './service.ts';

/** (0008,1197) values: PS3.18 §I.2.2, PS3.7 Annex C */
const CANNOT_UNDERSTAND = 0xc000;
const DUPLICATE_SOP_INSTANCE = 0x0111;
const NOT_AUTHORIZED = 0x0124;
const OTHER_STUDY = 0xa901;

interface ReceiveDeps {
  readonly blobs: BlobStore;
  readonly index: Pick<StudyIndex, 'add'>;
  readonly transactor: Transactor;
  /** called after the commit with the studies that changed */
  readonly onStored: (studyInstanceUids: readonly string[]) => void;
}

type Failed = Extract<StoreResult, { kind: 'failed' }>;

const failed = (failureReason: number, message: string, header?: DicomHeader): Failed => ({
  kind: 'failed',
  sopClassUid: header?.sopClassUid,
  sopInstanceUid: header?.sopInstanceUid,
  failureReason,
  message,
});

/** A Fault of the object becomes its result; a Fault of the disk ends the request. */
const isOfServer = (fault: Fault): boolean => fault.status >= 500;

/** Everything one store request brings, on its way to one commit. */
export const createReception = (
  deps: ReceiveDeps,
  options: { readonly onlyStudy: string | undefined } & StorePermission,
): Reception => {
  const batch = deps.blobs.batch();
  const parts: (NewInstance | Failed)[] = [];

  const object = async (bytes: AsyncIterable<Buffer>): Promise<void> => {
    const writer = await batch.object();
    const { header, fault } = await take(bytes, writer);
    if (fault) {
      await writer.abandon();
      if (isOfServer(fault)) throw fault;
      parts.push(failed(fault.details.dicomReason ?? CANNOT_UNDERSTAND, fault.message));
    } else if (options.onlyStudy !== undefined && header!.studyInstanceUid !== options.onlyStudy) {
      await writer.abandon();
      parts.push(failed(OTHER_STUDY, 'The object belongs to another study than the request names', header));
    } else {
      parts.push(newInstance(header!, await writer.end()));
    }
  };

  const commit = async (): Promise<StoreResult[]> => {
    const instances = parts.filter((part): part is NewInstance => !('kind' in part));
    let outcomes: AddOutcome[] = [];
    try {
      await batch.sync();
      if (instances.length > 0) outcomes = await deps.transactor.transaction((tx) => deps.index.add(tx, instances, options));
    } catch (error) {
      await batch.discard();
      throw error;
    }
    const added = instances.filter((_, at) => outcomes[at]!.kind === 'added');
    if (instances.length > 0 && added.length === 0) await batch.discard();
    if (added.length > 0) deps.onStored([...new Set(added.map((instance) => instance.studyInstanceUid))]);
    let next = 0;
    return parts.map((part) => ('kind' in part ? part : resultOf(part, outcomes[next++]!)));
  };

  return {
    object,
    refuse: (failureReason, message) => {
      parts.push(failed(failureReason, message));
    },
    commit,
    abort: () => batch.discard(),
  };
};

/** Feeds walker and pack side by side. The object is read to its end even when it is refused, so that the next part can follow. */
const take = async (bytes: AsyncIterable<Buffer>, writer: BlobWriter): Promise<{ header?: DicomHeader; fault?: Fault }> => {
  const reader = createHeaderReader();
  let fault: Fault | undefined;
  for await (const chunk of bytes) {
    if (fault) continue;
    try {
      reader.push(chunk);
      await writer.write(chunk);
    } catch (error) {
      fault = asFault(error);
    }
  }
  if (fault) return { fault };
  try {
    return { header: await reader.end() };
  } catch (error) {
    return { fault: asFault(error) };
  }
};

export const newInstance = (header: DicomHeader, { location, sha256 }: Awaited<ReturnType<BlobWriter['end']>>): NewInstance => ({
  studyInstanceUid: header.studyInstanceUid,
  seriesInstanceUid: header.seriesInstanceUid,
  sopInstanceUid: header.sopInstanceUid,
  sopClassUid: header.sopClassUid,
  transferSyntaxUid: header.transferSyntaxUid,
  location,
  sha256,
  metadata: stringifyDataset(header.dataset),
  bulk: header.bulk,
  attributes: attributesOf(header.dataset),
});

const resultOf = (instance: NewInstance, outcome: AddOutcome): StoreResult => {
  const { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid } = instance;
  const named = { kind: 'failed', sopClassUid, sopInstanceUid } as const;
  switch (outcome.kind) {
    case 'conflict':
      return {
        ...named,
        failureReason: DUPLICATE_SOP_INSTANCE,
        message: 'The SOP Instance UID is taken by other data; nothing was changed',
      };
    case 'foreign':
      return {
        ...named,
        failureReason: NOT_AUTHORIZED,
        message: 'The study belongs to another patient, or this client may not write to it',
      };
    default:
      return {
        kind: 'stored',
        sopClassUid,
        sopInstanceUid,
        studyInstanceUid,
        seriesInstanceUid,
        patient: outcome.patient,
        imagingStudy: outcome.imagingStudy,
        accession: instance.attributes.accession,
        known: outcome.kind === 'identical',
        studyIsNew: outcome.kind === 'added' && outcome.studyIsNew,
        warningReason: undefined,
      };
  }
};
