import { toExplicitLittleEndian } from '../dicom/explicit-little-endian.ts';
import { EXPLICIT_LITTLE_ENDIAN, findTransferSyntax } from '../dicom/transfer-syntax.ts';
import type { InstanceRow } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';
import type { OutPart } from './multipart-writer.ts';

/** How an instance goes out: as stored, or rewritten to Explicit VR Little Endian. */
interface Representation {
  readonly transferSyntaxUid: string;
  readonly rewritten: boolean;
}

/** Web services never use Implicit VR or Big Endian (PS3.18 §8.7.3.5.2): such objects go out as Explicit VR Little Endian. */
export const representationOf = (row: InstanceRow): Representation => {
  const syntax = findTransferSyntax(row.transferSyntaxUid)!;
  return syntax.implicit || syntax.bigEndian
    ? { transferSyntaxUid: EXPLICIT_LITTLE_ENDIAN, rewritten: true }
    : { transferSyntaxUid: row.transferSyntaxUid, rewritten: false };
};

/** Transfer syntaxes in which every one of the instances can be given; none when they differ. */
export const commonSyntaxes = (rows: readonly InstanceRow[]): string[] => {
  const all = new Set(rows.map((row) => representationOf(row).transferSyntaxUid));
  return all.size === 1 ? [...all] : [];
};

/** A whole instance as one part of an answer. */
export const instancePart = (studies: Studies, row: InstanceRow): OutPart => {
  const { transferSyntaxUid, rewritten } = representationOf(row);
  return {
    headers: { 'Content-Type': `application/dicom;transfer-syntax=${transferSyntaxUid}` },
    length: rewritten ? undefined : row.location.length,
    body: () =>
      rewritten
        ? toExplicitLittleEndian(studies.bytes(row), findTransferSyntax(row.transferSyntaxUid)!.bigEndian)
        : studies.bytes(row),
  };
};
