/** A transfer syntax of PS3.6 table A-1 that objects are kept in. */
export interface TransferSyntax {
  readonly uid: string;
  readonly name: string;
  readonly implicit: boolean;
  readonly bigEndian: boolean;
  /** the dataset is a raw deflate stream (PS3.5 §A.5) */
  readonly deflated: boolean;
  /** pixel data is a sequence of fragments (PS3.5 §A.4) */
  readonly encapsulated: boolean;
  /** type of a frame as it lies in the object (PS3.18 table 8.7.3-5) */
  readonly frameType: string;
}

export const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2';
export const DEFLATED_EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';

const native = (uid: string, name: string, flags: Partial<TransferSyntax> = {}): TransferSyntax => ({
  uid,
  name,
  implicit: false,
  bigEndian: false,
  deflated: false,
  encapsulated: false,
  frameType: 'application/octet-stream',
  ...flags,
});

const encapsulated = (uid: string, name: string, frameType: string): TransferSyntax =>
  native(uid, name, { encapsulated: true, frameType });

const TABLE: readonly TransferSyntax[] = [
  native(IMPLICIT_LITTLE_ENDIAN, 'Implicit VR Little Endian', { implicit: true }),
  native(EXPLICIT_LITTLE_ENDIAN, 'Explicit VR Little Endian'),
  native(EXPLICIT_BIG_ENDIAN, 'Explicit VR Big Endian', { bigEndian: true }),
  native(DEFLATED_EXPLICIT_LITTLE_ENDIAN, 'Deflated Explicit VR Little Endian', { deflated: true }),
  encapsulated('1.2.840.10008.1.2.1.98', 'Encapsulated Uncompressed Explicit VR Little Endian', 'application/octet-stream'),
  encapsulated('1.2.840.10008.1.2.4.50', 'JPEG Baseline (Process 1)', 'image/jpeg'),
  encapsulated('1.2.840.10008.1.2.4.51', 'JPEG Extended (Process 2 & 4)', 'image/jpeg'),
  encapsulated('1.2.840.10008.1.2.4.57', 'JPEG Lossless (Process 14)', 'image/jpeg'),
  encapsulated('1.2.840.10008.1.2.4.70', 'JPEG Lossless (Process 14, Selection Value 1)', 'image/jpeg'),
  encapsulated('1.2.840.10008.1.2.4.80', 'JPEG-LS Lossless', 'image/jls'),
  encapsulated('1.2.840.10008.1.2.4.81', 'JPEG-LS Near-lossless', 'image/jls'),
  encapsulated('1.2.840.10008.1.2.4.90', 'JPEG 2000 Lossless', 'image/jp2'),
  encapsulated('1.2.840.10008.1.2.4.91', 'JPEG 2000', 'image/jp2'),
  encapsulated('1.2.840.10008.1.2.4.92', 'JPEG 2000 Part 2 Lossless', 'image/jpx'),
  encapsulated('1.2.840.10008.1.2.4.93', 'JPEG 2000 Part 2', 'image/jpx'),
  encapsulated('1.2.840.10008.1.2.4.100', 'MPEG2 Main Profile / Main Level', 'video/mpeg2'),
  encapsulated('1.2.840.10008.1.2.4.101', 'MPEG2 Main Profile / High Level', 'video/mpeg2'),
  encapsulated('1.2.840.10008.1.2.4.102', 'MPEG-4 AVC/H.264 High Profile', 'video/mp4'),
  encapsulated('1.2.840.10008.1.2.4.103', 'MPEG-4 AVC/H.264 BD-compatible High Profile', 'video/mp4'),
  encapsulated('1.2.840.10008.1.2.4.104', 'MPEG-4 AVC/H.264 High Profile For 2D Video', 'video/mp4'),
  encapsulated('1.2.840.10008.1.2.4.105', 'MPEG-4 AVC/H.264 High Profile For 3D Video', 'video/mp4'),
  encapsulated('1.2.840.10008.1.2.4.106', 'MPEG-4 AVC/H.264 Stereo High Profile', 'video/mp4'),
  encapsulated('1.2.840.10008.1.2.4.107', 'HEVC/H.265 Main Profile', 'video/H265'),
  encapsulated('1.2.840.10008.1.2.4.108', 'HEVC/H.265 Main 10 Profile', 'video/H265'),
  encapsulated('1.2.840.10008.1.2.4.201', 'High-Throughput JPEG 2000 Lossless', 'image/jphc'),
  encapsulated('1.2.840.10008.1.2.4.202', 'High-Throughput JPEG 2000 with RPCL Lossless', 'image/jphc'),
  encapsulated('1.2.840.10008.1.2.4.203', 'High-Throughput JPEG 2000', 'image/jphc'),
  encapsulated('1.2.840.10008.1.2.5', 'RLE Lossless', 'image/dicom-rle'),
  encapsulated('1.2.840.10008.1.2.8.1', 'Deflated Image Frame Compression', 'application/x-deflate'),
];

const byUid = new Map(TABLE.map((syntax) => [syntax.uid, syntax]));

export const findTransferSyntax = (uid: string): TransferSyntax | undefined => byUid.get(uid);
