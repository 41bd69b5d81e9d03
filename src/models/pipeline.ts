import type { InferenceSession, Tensor } from 'onnxruntime-node';

/** What the sandbox gives a model's code: its own graphs, and nothing else of the machine. */
export interface PipelineHost {
  /** a graph of the model's folder, one thread, sequential */
  readonly session: (file: string) => Promise<InferenceSession>;
  readonly tensor: (data: Float32Array, dims: readonly number[]) => Tensor;
}

export interface PipelineResult {
  /** numbers only: whatever else a model says does not leave the sandbox */
  readonly values: object;
  readonly mask?: Uint8Array;
}

/** One run over a volume that comes slice by slice. */
export interface Pipeline {
  /** @param hu Hounsfield units, row-major */
  readonly slice: (index: number, hu: Int16Array) => Promise<void>;
  readonly finish: () => Promise<PipelineResult>;
}
