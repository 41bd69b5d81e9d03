import type { DicomKeywords } from '../src/dicom/write-check.ts';
import { seededUid } from '../src/kernel/ids.ts';

export interface PhantomOptions {
  readonly slices: number;
  /** rows and columns */
  readonly size: number;
  /** share of lung voxels below −950 HU, 0 to 1 */
  readonly emphysemaShare: number;
  readonly seed: string;
  readonly patientId: string;
}

export interface Phantom {
  readonly studyInstanceUid: string;
  readonly datasets: readonly DicomKeywords[];
  /** what the generator knows */
  readonly truth: { readonly laa950: number; readonly lungVolumeMl: number };
}

const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2';
const CHEST_MM = 320;
const LENGTH_MM = 300;
const INTERCEPT = -1024;

/** mulberry32: small, seeded, the same everywhere. */
const random = (seed: string): (() => number) => {
  let state = [...seed].reduce((sum, character) => Math.imul(sum ^ character.charCodeAt(0), 0x01000193), 0x811c9dc5);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

type Tissue = 'air' | 'body' | 'lung' | 'airway' | 'bone' | 'table';

const inside = (x: number, y: number, cx: number, cy: number, rx: number, ry: number): boolean =>
  ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1;

/** Geometry of a chest, in shares of the field: x to the patient's left, y to the back, z from the apex down. */
const tissueAt = (x: number, y: number, z: number): Tissue => {
  if (y > 0.88 && y < 0.91 && x > 0.15 && x < 0.85) return 'table';
  if (!inside(x, y, 0.5, 0.5, 0.46, 0.36)) return 'air';
  if (z < 0.3 && inside(x, y, 0.5, 0.42, 0.025, 0.025)) return 'airway';
  const reach = z < 0.08 || z > 0.92 ? 0 : Math.sqrt(1 - ((z - 0.55) / 0.48) ** 2);
  if (
    reach > 0.05 &&
    (inside(x, y, 0.29, 0.5, 0.15 * reach, 0.26 * reach) || inside(x, y, 0.71, 0.5, 0.15 * reach, 0.26 * reach))
  )
    return 'lung';
  return inside(x, y, 0.5, 0.74, 0.05, 0.05) ? 'bone' : 'body';
};

const MEAN_HU: Readonly<Record<Exclude<Tissue, 'lung'>, number>> = {
  air: -1000,
  body: 40,
  airway: -1000,
  bone: 400,
  table: -300,
};

/**
 * A chest CT whose emphysema index is known: soft tissue, spine, two lungs, a windpipe that ends above them, a table and air.
 * A known share of the lung voxels lies below −950 HU, no other near that limit, so noise can not move one across it.
 */
export const chestPhantom = (options: PhantomOptions): Phantom => {
  const { slices, size, emphysemaShare, seed, patientId } = options;
  const noise = random(seed);
  const spacing = LENGTH_MM / slices;
  const pixel = CHEST_MM / size;
  const studyInstanceUid = seededUid(seed, 'study');
  const seriesInstanceUid = seededUid(seed, 'series');
  const frameOfReference = seededUid(seed, 'frame of reference');
  let [lung, below] = [0, 0];
  const datasets: DicomKeywords[] = [];
  for (let slice = 0; slice < slices; slice++) {
    const pixels = Buffer.alloc(size * size * 2);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const tissue = tissueAt((column + 0.5) / size, (row + 0.5) / size, (slice + 0.5) / slices);
        let hu: number;
        if (tissue === 'lung') {
          lung++;
          const isLow = noise() < emphysemaShare;
          if (isLow) below++;
          hu = (isLow ? -975 : -860) + (noise() - 0.5) * 20;
        } else hu = MEAN_HU[tissue] + (noise() - 0.5) * 20;
        pixels.writeUInt16LE(Math.max(0, Math.round(hu) - INTERCEPT), (row * size + column) * 2);
      }
    }
    datasets.push(
      dataset({
        slice,
        pixels,
        spacing,
        pixel,
        size,
        patientId,
        studyInstanceUid,
        seriesInstanceUid,
        frameOfReference,
        sopInstanceUid: seededUid(seed, 'instance', String(slice)),
      }),
    );
  }
  return {
    studyInstanceUid,
    datasets,
    truth: { laa950: (100 * below) / lung, lungVolumeMl: (lung * pixel * pixel * spacing) / 1000 },
  };
};

interface SliceFacts {
  readonly slice: number;
  readonly pixels: Buffer;
  readonly spacing: number;
  readonly pixel: number;
  readonly size: number;
  readonly patientId: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly frameOfReference: string;
  readonly sopInstanceUid: string;
}

const dataset = (facts: SliceFacts): DicomKeywords => ({
  ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
  SOPClassUID: CT_IMAGE,
  SOPInstanceUID: facts.sopInstanceUid,
  StudyDate: '20260105',
  SeriesDate: '20260105',
  ContentDate: '20260105',
  StudyTime: '101500',
  SeriesTime: '101530',
  ContentTime: '101530',
  AccessionNumber: 'PHANTOM-1',
  Modality: 'CT',
  Manufacturer: 'Isthmus',
  ReferringPhysicianName: '',
  StudyDescription: 'CT chest phantom',
  SeriesDescription: 'Chest, soft kernel',
  ManufacturerModelName: 'Phantom',
  PatientName: 'Phantom^Chest',
  PatientID: facts.patientId,
  IssuerOfPatientID: 'ISTHMUS-DEMO',
  PatientBirthDate: '19600101',
  PatientSex: 'O',
  BodyPartExamined: 'CHEST',
  SliceThickness: facts.spacing,
  KVP: 120,
  ConvolutionKernel: 'B30f',
  PatientPosition: 'HFS',
  StudyInstanceUID: facts.studyInstanceUid,
  SeriesInstanceUID: facts.seriesInstanceUid,
  StudyID: '1',
  SeriesNumber: 2,
  AcquisitionNumber: 1,
  InstanceNumber: facts.slice + 1,
  ImagePositionPatient: [-(facts.size * facts.pixel) / 2, -(facts.size * facts.pixel) / 2, -facts.slice * facts.spacing],
  ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
  FrameOfReferenceUID: facts.frameOfReference,
  PositionReferenceIndicator: '',
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  Rows: facts.size,
  Columns: facts.size,
  PixelSpacing: [facts.pixel, facts.pixel],
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  WindowCenter: -600,
  WindowWidth: 1500,
  RescaleIntercept: INTERCEPT,
  RescaleSlope: 1,
  RescaleType: 'HU',
  PixelData: facts.pixels,
});
