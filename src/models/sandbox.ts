import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PipelineResult } from './pipeline.ts';
import type { Model } from './registry.ts';

export type FailureKind = 'TIMEOUT' | 'CANCELLED' | 'RESOURCE' | 'CRASH' | 'MODEL_ERROR';

/** A run that gave no result. Its message tells nothing of the input. */
export class ModelFailure extends Error {
  override readonly name = 'ModelFailure';
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface VolumeInput {
  readonly shape: { readonly slices: number; readonly rows: number; readonly columns: number };
  /** Hounsfield units of one slice, loaded when it is its turn */
  readonly slice: (index: number) => Promise<Int16Array>;
}

export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** ask for the segmentation too, one byte a voxel */
  readonly wantMask?: boolean;
}

export interface Sandbox {
  /** `namespace` = no network by the kernel; `permission` = by Node's permission model only */
  readonly isolation: 'namespace' | 'permission';
  /** @throws ModelFailure */
  readonly run: (model: Model, input: VolumeInput, options: RunOptions) => Promise<PipelineResult>;
}

const here = dirname(fileURLToPath(import.meta.url));
const childPath = join(here, 'child.ts');

/** Files the child must read: its own code, the runtime, the package descriptions that module resolution looks at. */
const readable = (model: Model): string[] => {
  const require = createRequire(import.meta.url);
  const runtime = dirname(dirname(require.resolve('onnxruntime-node')));
  const common = dirname(createRequire(join(runtime, 'dist', 'index.js')).resolve('onnxruntime-common')).replace(
    /\/dist\/.*$/,
    '',
  );
  return [here, model.folder, runtime, common, join(here, '..', 'package.json'), join(here, '..', '..', 'package.json')];
};

export const permissionFlags = (paths: readonly string[], memoryMb: number): string[] => [
  '--permission',
  '--allow-addons',
  '--disable-warning=SecurityWarning',
  `--max-old-space-size=${memoryMb}`,
  ...paths.map((path) => `--allow-fs-read=${path}`),
];

const hasNamespaces = (): boolean => spawnSync('unshare', ['-rn', 'true'], { stdio: 'ignore', timeout: 5000 }).status === 0;

/** Runs models in a process of their own, one process a run: nothing of one patient is there when the next one comes. */
export const createSandbox = (): Sandbox => {
  const isolation = hasNamespaces() ? 'namespace' : 'permission';
  const start = (model: Model): ChildProcess => {
    const args = [...permissionFlags(readable(model), model.manifest.runtime.memoryMb), childPath];
    const [command, all] = isolation === 'namespace' ? ['unshare', ['-rn', process.execPath, ...args]] : [process.execPath, args];
    return spawn(command as string, all as string[], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
      env: { PATH: process.env.PATH ?? '' },
    });
  };
  return {
    isolation,
    run: (model, input, options) => runIn(start(model), model, input, options),
  };
};

type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'result'; readonly values: object; readonly mask?: Uint8Array }
  | { readonly type: 'failed'; readonly kind: string; readonly memory: boolean };

const runIn = (
  child: ChildProcess,
  model: Model,
  input: VolumeInput,
  { timeoutMs, signal, wantMask = false }: RunOptions,
): Promise<PipelineResult> =>
  new Promise((resolve, reject) => {
    let next = 0;
    let ended = false;
    const end = (finish: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      child.kill('SIGKILL');
      finish();
    };
    const fail = (kind: FailureKind, message: string): void => end(() => reject(new ModelFailure(kind, message)));
    const cancel = (): void => fail('CANCELLED', 'The run was cancelled');
    const timer = setTimeout(() => fail('TIMEOUT', 'The run took longer than it may'), timeoutMs);
    if (signal?.aborted) return cancel();
    signal?.addEventListener('abort', cancel);

    const sendNext = async (): Promise<void> => {
      if (next >= input.shape.slices) return void child.send({ type: 'finish' });
      const index = next++;
      const hu = await input.slice(index);
      if (!ended) child.send({ type: 'slice', index, hu });
    };
    child.on('message', (reply: Reply) => {
      if (reply.type === 'ready') sendNext().catch((error: unknown) => end(() => reject(error)));
      else if (reply.type === 'failed') fail(reply.memory ? 'RESOURCE' : 'MODEL_ERROR', 'The model ended with an error');
      else if (!allFinite(reply.values)) fail('MODEL_ERROR', 'The model gave a value that is no number');
      else end(() => resolve({ values: reply.values, ...(reply.mask ? { mask: reply.mask } : {}) }));
    });
    child.on('error', () => fail('CRASH', 'The model process could not be started'));
    child.on('exit', (code, killedBy) =>
      fail(
        killedBy === 'SIGKILL' || killedBy === 'SIGABRT' || code === 133 || code === 134 ? 'RESOURCE' : 'CRASH',
        'The model process ended before its result',
      ),
    );
    child.send({ type: 'start', folder: model.folder, pipeline: model.manifest.pipeline, shape: input.shape, wantMask });
  });

/** Only finite numbers, and objects of them, are a result. */
const allFinite = (value: unknown): boolean =>
  typeof value === 'object' && value !== null
    ? Object.values(value).every(allFinite)
    : typeof value === 'number' && Number.isFinite(value);
