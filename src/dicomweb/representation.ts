import { toExplicitLittleEndian } from '../dicom/explicit-little-endian.ts';
import { EXPLICIT_LITTLE_ENDIAN, findTransferSyntax } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import type { InstanceRow } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';

/** How an instance goes out: as stored, or rewritten to Explicit VR Little Endian. */
export interface Representation {
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

/**
 * @param asked transfer-syntax parameter; undefined = Explicit VR Little Endian, `*` = as stored
 * @throws Fault `notAcceptable` naming what is available
 */
export const agreeOn = (rows: readonly InstanceRow[], asked: string | undefined): void => {
  if (asked === '*') return;
  const wanted = asked ?? EXPLICIT_LITTLE_ENDIAN;
  const other = rows.map(representationOf).find((representation) => representation.transferSyntaxUid !== wanted);
  if (other) throw new Fault('notAcceptable', `Available here: transfer-syntax=${other.transferSyntaxUid}, transfer-syntax=*`);
};

export const objectBytes = (studies: Studies, row: InstanceRow): AsyncIterable<Buffer> => {
  const bytes = studies.bytes(row);
  return representationOf(row).rewritten
    ? toExplicitLittleEndian(bytes, findTransferSyntax(row.transferSyntaxUid)!.bigEndian)
    : bytes;
};
