import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Pipeline, PipelineHost } from '../pipeline.ts';
import { keepLargeComponents, type Shape } from './components.ts';

const COMPONENT_SHARE = 0.15;
const LOWEST_HU = -1100;
const HIGHEST_HU = 100;
const BINS = HIGHEST_HU - LOWEST_HU + 1;

/** Values of a run; densities in HU, shares in percent of lung voxels. */
export interface EmphysemaValues {
  readonly laa950: number;
  readonly laa910: number;
  readonly perc15: number;
  readonly meanHu: number;
  readonly lungVoxels: number;
  /** lung voxels in the first and the last slice: lungs that the scan cut off */
  readonly firstSliceVoxels: number;
  readonly lastSliceVoxels: number;
  /** lowest mean HU of a slice's corners: air outside the patient */
  readonly outsideAirHu: number;
  /** slice with most lung and a lung voxel near its centroid, for showing where was measured */
  readonly anchor: { readonly slice: number; readonly row: number; readonly column: number };
}

/** Runs in the sandbox. Flood and statistics are ONNX graphs run slice by slice; only joining slices is done here. */
export const createPipeline = async (host: PipelineHost, shape: Shape): Promise<Pipeline> => {
  const { rows, columns, slices } = shape;
  const plane = rows * columns;
  const [air, densities] = [await host.session('inner-air.onnx'), await host.session('densities.onnx')];
  const volume = new Int16Array(plane * slices);
  const mask = new Uint8Array(plane * slices);
  const dims = [1, 1, rows, columns];
  const border = host.tensor(borderOf(rows, columns), dims);

  return {
    slice: async (index, hu) => {
      volume.set(hu, index * plane);
      const { inner } = await air.run({ hu: host.tensor(Float32Array.from(hu), dims), border });
      const found = inner!.data as Float32Array;
      for (let at = 0; at < plane; at++) mask[index * plane + at] = found[at]! > 0.5 ? 1 : 0;
    },
    finish: async () => {
      const lungVoxels = keepLargeComponents(mask, shape, COMPONENT_SHARE);
      if (lungVoxels === 0) return { values: { lungVoxels: 0 }, mask };
      return { values: await measure(densities, host, { volume, mask, shape, lungVoxels }), mask };
    },
  };
};

const borderOf = (rows: number, columns: number): Float32Array => {
  const border = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (row === 0 || column === 0 || row === rows - 1 || column === columns - 1) border[row * columns + column] = 1;
    }
  }
  return border;
};

interface Measured {
  readonly volume: Int16Array;
  readonly mask: Uint8Array;
  readonly shape: Shape;
  readonly lungVoxels: number;
}

const measure = async (
  densities: InferenceSession,
  host: PipelineHost,
  { volume, mask, shape, lungVoxels }: Measured,
): Promise<EmphysemaValues> => {
  const plane = shape.rows * shape.columns;
  const dims = [1, 1, shape.rows, shape.columns];
  const totals = { below950: 0, below910: 0, sum: 0 };
  const perSlice: number[] = [];
  for (let slice = 0; slice < shape.slices; slice++) {
    const hu = Float32Array.from(volume.subarray(slice * plane, (slice + 1) * plane));
    const lung = Float32Array.from(mask.subarray(slice * plane, (slice + 1) * plane));
    const out = await densities.run({ hu: host.tensor(hu, dims), lung: host.tensor(lung, dims) });
    perSlice.push(scalar(out.voxels!));
    totals.below950 += scalar(out.below950!);
    totals.below910 += scalar(out.below910!);
    totals.sum += scalar(out.sum!);
  }
  return {
    laa950: (100 * totals.below950) / lungVoxels,
    laa910: (100 * totals.below910) / lungVoxels,
    perc15: percentile(volume, mask, 0.15, lungVoxels),
    meanHu: totals.sum / lungVoxels,
    lungVoxels,
    firstSliceVoxels: perSlice[0]!,
    lastSliceVoxels: perSlice[perSlice.length - 1]!,
    outsideAirHu: outsideAir(volume, shape),
    anchor: anchorOf(mask, shape, perSlice),
  };
};

const scalar = (tensor: Tensor): number => Number(tensor.data[0]);

/** HU below which a share of lung voxels lies; whole HU. */
const percentile = (volume: Int16Array, mask: Uint8Array, share: number, lungVoxels: number): number => {
  const histogram = new Uint32Array(BINS);
  for (let at = 0; at < volume.length; at++)
    if (mask[at] === 1) histogram[Math.min(Math.max(volume[at]!, LOWEST_HU), HIGHEST_HU) - LOWEST_HU]!++;
  let below = 0;
  for (let bin = 0; bin < BINS; bin++) {
    below += histogram[bin]!;
    if (below >= share * lungVoxels) return bin + LOWEST_HU;
  }
  return HIGHEST_HU;
};

const CORNER = 4;

const outsideAir = (volume: Int16Array, { rows, columns, slices }: Shape): number => {
  const middle = Math.floor(slices / 2) * rows * columns;
  const means = [
    [0, 0],
    [0, columns - CORNER],
    [rows - CORNER, 0],
    [rows - CORNER, columns - CORNER],
  ].map(([row, column]) => {
    let sum = 0;
    for (let y = 0; y < CORNER; y++) for (let x = 0; x < CORNER; x++) sum += volume[middle + (row! + y) * columns + column! + x]!;
    return sum / (CORNER * CORNER);
  });
  return Math.min(...means);
};

const anchorOf = (mask: Uint8Array, { rows, columns }: Shape, perSlice: readonly number[]): EmphysemaValues['anchor'] => {
  const slice = perSlice.indexOf(Math.max(...perSlice));
  const start = slice * rows * columns;
  let [sumRow, sumColumn, count] = [0, 0, 0];
  for (let at = 0; at < rows * columns; at++) {
    if (mask[start + at] === 0) continue;
    sumRow += Math.floor(at / columns);
    sumColumn += at % columns;
    count++;
  }
  const [centreRow, centreColumn] = [sumRow / count, sumColumn / count];
  let best = { slice, row: 0, column: 0 };
  let nearest = Number.POSITIVE_INFINITY;
  for (let at = 0; at < rows * columns; at++) {
    if (mask[start + at] === 0) continue;
    const [row, column] = [Math.floor(at / columns), at % columns];
    const distance = (row - centreRow) ** 2 + (column - centreColumn) ** 2;
    if (distance < nearest) {
      nearest = distance;
      best = { slice, row, column };
    }
  }
  return best;
};
