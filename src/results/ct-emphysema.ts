import { dcm, isthmus, loinc, sct, ucum } from './codes.ts';
import type { Measurement } from './result.ts';

/** Numbers of the densitometry, in HU and percent, and the lung volume in mL. */
export interface Densitometry {
  readonly laa950: number;
  readonly laa910: number;
  readonly perc15: number;
  readonly meanHu: number;
  readonly lungVolumeMl: number;
}

const PERCENT = ucum('%', 'percent');
const HOUNSFIELD = ucum("[hnsf'U]", 'Hounsfield unit');
const MASK = isthmus('DENSMASK', 'Density mask of the segmented lungs');

export const CT_EMPHYSEMA = {
  finding: sct('39607008', 'Lung structure'),
  site: sct('39607008', 'Lung structure'),
  procedure: loinc('24627-2', 'CT Chest'),
} as const;

/** The measurements as coded concepts; no public code for the emphysema index is known. */
export const densitometryMeasurements = (values: Densitometry): Measurement[] => [
  { name: isthmus('LAA950', 'Low attenuation area below -950 HU'), value: values.laa950, unit: PERCENT, method: MASK },
  { name: isthmus('LAA910', 'Low attenuation area below -910 HU'), value: values.laa910, unit: PERCENT, method: MASK },
  { name: isthmus('PERC15', 'Attenuation at the 15th percentile'), value: values.perc15, unit: HOUNSFIELD, method: MASK },
  {
    name: dcm('122713', 'Attenuation Coefficient'),
    value: values.meanHu,
    unit: HOUNSFIELD,
    derivation: sct('373098007', 'Mean'),
  },
  { name: sct('118565006', 'Volume'), value: values.lungVolumeMl, unit: ucum('mL', 'milliliter') },
];
