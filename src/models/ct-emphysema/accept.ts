import { type DicomJson, numberOf, numbersOf, textOf, textsOf } from '../../dicom/json.ts';

/** One image as the model may see it: attributes of the manifest only. */
export interface Slice {
  readonly ordinal: number;
  readonly attributes: DicomJson;
}

export interface Accepted {
  /** ordinals from the lowest to the highest position along the slice normal */
  readonly order: readonly number[];
  readonly rows: number;
  readonly columns: number;
  /** volume of one voxel, mm³ */
  readonly voxelMm3: number;
  readonly remarks: readonly string[];
}

/** Why no number is given. `code` is stable, `text` is for the record. */
export interface Refusal {
  readonly code: string;
  readonly text: string;
}

const MIN_SLICES = 20;
/** along the slice normal, mm: a chest with its lungs whole is longer */
const MIN_COVERAGE_MM = 150;
const SPACING_TOLERANCE = 0.1;
const PROTOCOL_SLICE_MM = 3;
const PROTOCOL_PIXEL_MM = 1.5;
const AXIAL_COSINE = 0.9;
/** Kernels that sharpen raise the index by noise (GE LUNG, BONE; Siemens from B50 and Br5 on). */
const SHARP = /^(LUNG|BONE|BONEPLUS|EDGE)$|^B[5-9]\d|^(Br|Bl|Qr)[5-9]\d|^(FC5\d|YC|YD)/i;

const refusal = (code: string, text: string): Refusal => ({ code, text });

const normalOf = (orientation: readonly number[]): [number, number, number] => {
  const [a, b, c, d, e, f] = orientation as [number, number, number, number, number, number];
  return [b * f - c * e, c * d - a * f, a * e - b * d];
};

const checkOne = ({ attributes }: Slice): Refusal | undefined => {
  if (textOf(attributes, '00080060') !== 'CT') return refusal('not-ct', 'The images are not CT');
  if (numberOf(attributes, '00281053') === undefined || numberOf(attributes, '00281052') === undefined)
    return refusal('no-rescale', 'The images carry no Hounsfield scale');
  if ((textOf(attributes, '00281054') ?? 'HU') !== 'HU')
    return refusal('not-hounsfield', 'The values are not in Hounsfield units');
  if ((numberOf(attributes, '00280002') ?? 1) !== 1 || (numberOf(attributes, '00280008') ?? 1) !== 1)
    return refusal('frame-kind', 'The images are not single grey frames');
  if (attributes['00180010']?.Value) return refusal('contrast', 'Contrast was given');
  if (SHARP.test(textOf(attributes, '00181210') ?? ''))
    return refusal('sharp-kernel', 'The images were made with a sharp kernel');
  const orientation = numbersOf(attributes, '00200037');
  if (orientation.length !== 6 || numbersOf(attributes, '00200032').length !== 3)
    return refusal('no-geometry', 'The images carry no position');
  if (Math.abs(normalOf(orientation)[2]) < AXIAL_COSINE) return refusal('not-axial', 'The images are not axial');
  return numbersOf(attributes, '00280030').length === 2 ? undefined : refusal('no-geometry', 'The images carry no pixel spacing');
};

const isLocalizer = ({ attributes }: Slice): boolean =>
  textsOf(attributes, '00080008').some((value) => /LOCALIZER|SCOUT/i.test(value));

const sameGeometry = (slices: readonly Slice[]): boolean =>
  ['00280010', '00280011', '00280030', '00200037'].every(
    (tag) =>
      new Set(slices.map(({ attributes }) => JSON.stringify(numbersOf(attributes, tag).map((value) => value.toFixed(3)))))
        .size === 1,
  );

/** Orders the slices of one series and tells whether lungs can be measured on them, before any pixel is looked at. */
export const accept = (all: readonly Slice[]): Accepted | Refusal => {
  const slices = all.filter((slice) => !isLocalizer(slice));
  if (slices.length < MIN_SLICES)
    return slices.length === 0
      ? refusal('only-localizers', 'There are only localizers')
      : refusal('insufficient-coverage', 'insufficient coverage: too few slices to hold both lungs');
  for (const slice of slices) {
    const found = checkOne(slice);
    if (found) return found;
  }
  if (!sameGeometry(slices)) return refusal('mixed-geometry', 'The images do not share one geometry');
  const first = slices[0]!.attributes;
  const normal = normalOf(numbersOf(first, '00200037'));
  const placed = slices
    .map((slice) => ({
      slice,
      at: numbersOf(slice.attributes, '00200032').reduce((sum, value, axis) => sum + value * normal[axis]!, 0),
    }))
    .sort((a, b) => a.at - b.at);
  const gaps = placed.slice(1).map(({ at }, index) => at - placed[index]!.at);
  const spacing = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)]!;
  if (spacing <= 0 || gaps.some((gap) => Math.abs(gap - spacing) > spacing * SPACING_TOLERANCE))
    return refusal('uneven-spacing', 'Slices are missing or unevenly spaced');
  if (spacing * placed.length < MIN_COVERAGE_MM)
    return refusal('insufficient-coverage', 'insufficient coverage: the slices do not reach over the lungs');
  const [rowSpacing, columnSpacing] = numbersOf(first, '00280030') as [number, number];
  const thickness = numberOf(first, '00180050') ?? spacing;
  return {
    order: placed.map(({ slice }) => slice.ordinal),
    rows: numberOf(first, '00280010')!,
    columns: numberOf(first, '00280011')!,
    voxelMm3: rowSpacing * columnSpacing * spacing,
    remarks: [
      ...(Math.max(thickness, spacing) > PROTOCOL_SLICE_MM
        ? [
            `Outside protocol: slices of ${Math.max(thickness, spacing).toFixed(1)} mm, at most ${PROTOCOL_SLICE_MM} mm are asked for`,
          ]
        : []),
      ...(Math.max(rowSpacing, columnSpacing) > PROTOCOL_PIXEL_MM
        ? [`Outside protocol: pixels of ${Math.max(rowSpacing, columnSpacing).toFixed(1)} mm`]
        : []),
      ...(textOf(first, '00181210') === undefined ? ['Outside protocol: the reconstruction kernel is not known'] : []),
    ],
  };
};

interface Values {
  readonly lungVoxels: number;
  readonly firstSliceVoxels?: number;
  readonly lastSliceVoxels?: number;
  readonly outsideAirHu?: number;
}

const MIN_LUNG_ML = 1500;
const MAX_LUNG_ML = 10_000;
/** share of the lungs in an end slice from which they count as cut off */
const CUT_SHARE = 0.02;
const AIR_HU = [-1050, -950] as const;

/** Whether the numbers can be believed, after the run. @returns refusal, or remarks */
export const plausible = (values: Values, voxelMm3: number): Refusal | readonly string[] => {
  const volumeMl = (values.lungVoxels * voxelMm3) / 1000;
  if (values.lungVoxels === 0) return refusal('no-lungs', 'No lungs were found');
  if (volumeMl < MIN_LUNG_ML || volumeMl > MAX_LUNG_ML)
    return refusal('implausible-volume', 'insufficient coverage or expiration: the lung volume is outside 1.5 to 10 litres');
  const cut = Math.max(values.firstSliceVoxels ?? 0, values.lastSliceVoxels ?? 0) / values.lungVoxels;
  const air = values.outsideAirHu ?? -1000;
  return [
    ...(cut > CUT_SHARE ? ['The lungs are cut off at the first or last slice'] : []),
    ...(air < AIR_HU[0] || air > AIR_HU[1] ? ['Air outside the patient is not near -1000 HU: calibration or padding'] : []),
  ];
};
