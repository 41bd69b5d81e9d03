// Entry of the sandboxed process. It is given its model folder and slices over IPC; it may read nothing else, write nothing,
// start nothing and reach no network (node --permission, and a network namespace where the system has them).
import { pathToFileURL } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Pipeline, PipelineHost } from './pipeline.ts';

interface Start {
  readonly type: 'start';
  readonly folder: string;
  readonly pipeline: string;
  readonly shape: { readonly slices: number; readonly rows: number; readonly columns: number };
  readonly wantMask: boolean;
}

type Message = Start | { readonly type: 'slice'; readonly index: number; readonly hu: Int16Array } | { readonly type: 'finish' };

const host = (folder: string): PipelineHost => ({
  session: (file) =>
    InferenceSession.create(`${folder}/${file}`, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableCpuMemArena: false,
    }),
  tensor: (data, dims) => new Tensor('float32', data, [...dims]),
});

let pipeline: Pipeline | undefined;
let wantMask = false;

const handle = async (message: Message): Promise<void> => {
  if (message.type === 'start') {
    const { createPipeline } = (await import(pathToFileURL(`${message.folder}/${message.pipeline}`).href)) as {
      createPipeline: (host: PipelineHost, shape: Start['shape']) => Promise<Pipeline>;
    };
    pipeline = await createPipeline(host(message.folder), message.shape);
    wantMask = message.wantMask;
    process.send!({ type: 'ready' });
  } else if (message.type === 'slice') {
    await pipeline!.slice(message.index, message.hu);
    process.send!({ type: 'ready' });
  } else {
    const { values, mask } = await pipeline!.finish();
    process.send!({ type: 'result', values, ...(wantMask ? { mask } : {}) });
  }
};

process.on('message', (message: Message) => {
  // The message of an error may quote data: only its kind goes back.
  handle(message).catch((error: unknown) =>
    process.send!({
      type: 'failed',
      kind: (error as Error).name,
      memory: /alloc|memory/i.test(String((error as Error).message)),
    }),
  );
});
process.on('disconnect', () => process.exit(0));
