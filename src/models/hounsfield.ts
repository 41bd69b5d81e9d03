import { type DicomJson, numberOf } from '../dicom/json.ts';

/**
 * Stored pixel values of an uncompressed single-sample frame as Hounsfield units (PS3.3 §C.7.6.3, §C.11.1.1.2).
 *
 * @param frame little endian, rows × columns, row-major
 * @returns rounded and limited to 16 bits; undefined when the frame does not have the size its attributes say
 */
export const hounsfield = (attributes: DicomJson, frame: Buffer): Int16Array | undefined => {
  const [rows, columns, allocated, stored, signed] = ['00280010', '00280011', '00280100', '00280101', '00280103'].map((tag) =>
    numberOf(attributes, tag),
  ) as (number | undefined)[];
  if (!rows || !columns || allocated !== 16 || frame.length < rows * columns * 2) return undefined;
  const slope = numberOf(attributes, '00281053') ?? 1;
  const intercept = numberOf(attributes, '00281052') ?? 0;
  const padding = numberOf(attributes, '00280120');
  const shift = 32 - Math.min(stored ?? 16, 16);
  const hu = new Int16Array(rows * columns);
  for (let at = 0; at < hu.length; at++) {
    const word = frame.readUInt16LE(at * 2);
    // Bits above the stored ones may hold overlays: they are cut, and the sign is carried on from the highest stored bit.
    const value = signed === 1 ? (word << shift) >> shift : (word << shift) >>> shift;
    const scaled = value === padding ? -1000 : value * slope + intercept;
    hu[at] = Math.max(-32_768, Math.min(32_767, Math.round(scaled)));
  }
  return hu;
};
