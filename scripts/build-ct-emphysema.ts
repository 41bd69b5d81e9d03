// Builds the two graphs of the ct-emphysema model and writes their digests into its manifest.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import onnxProto, { type onnx } from 'onnx-proto';

const FLOAT = 1;
const INT64 = 7;
const BOOL = 9;
const OPSET = 17;
const folder = new URL('../src/models/ct-emphysema/', import.meta.url);

type Attribute = onnx.IAttributeProto;
const ints = (name: string, values: number[]): Attribute => ({ name, type: 7, ints: values });
const int = (name: string, value: number): Attribute => ({ name, type: 2, i: value });
const graphAttribute = (name: string, graph: onnx.IGraphProto): Attribute => ({ name, type: 5, g: graph });
const node = (opType: string, input: string[], output: string[], attribute: Attribute[] = []): onnx.INodeProto => ({
  opType,
  input,
  output,
  name: `${opType}_${output[0]}`,
  attribute,
});
const scalar = (name: string, value: number): onnx.ITensorProto => ({ name, dataType: FLOAT, dims: [], floatData: [value] });
const value = (name: string, elemType: number, dims: (string | number)[] | undefined): onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType,
      ...(dims ? { shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) } } : {}),
    },
  },
});
const SLICE: (string | number)[] = [1, 1, 'rows', 'columns'];
const grow = [ints('kernel_shape', [3, 3]), ints('pads', [1, 1, 1, 1]), ints('strides', [1, 1])];

/** Air that no path through air joins to the border of the slice: outside air is flooded until nothing grows. */
const airGraph = (): onnx.IGraphProto => {
  const body: onnx.IGraphProto = {
    name: 'flood',
    input: [value('step', INT64, []), value('going', BOOL, []), value('region', FLOAT, undefined)],
    output: [value('grows', BOOL, []), value('grown', FLOAT, undefined)],
    node: [
      node('MaxPool', ['region'], ['reached'], grow),
      node('Min', ['reached', 'air'], ['grown']),
      node('Sub', ['grown', 'region'], ['added']),
      node('ReduceMax', ['added'], ['most'], [int('keepdims', 0)]),
      node('Greater', ['most', 'zero'], ['grows']),
    ],
  };
  return {
    name: 'inner-air',
    input: [value('hu', FLOAT, SLICE), value('border', FLOAT, SLICE)],
    output: [value('inner', FLOAT, SLICE)],
    initializer: [
      scalar('threshold', -500),
      scalar('zero', 0),
      { name: 'limit', dataType: INT64, dims: [], int64Data: [8192] },
      { name: 'yes', dataType: BOOL, dims: [], int32Data: [1] },
    ],
    node: [
      node('Less', ['hu', 'threshold'], ['isAir']),
      node('Cast', ['isAir'], ['air'], [int('to', FLOAT)]),
      node('Min', ['air', 'border'], ['seed']),
      node('Loop', ['limit', 'yes', 'seed'], ['outside'], [graphAttribute('body', body)]),
      node('Sub', ['air', 'outside'], ['inner']),
    ],
  };
};

/** Of the lung voxels of a slice: how many, how many below -950 and -910 HU, and the sum of their HU. */
const densityGraph = (): onnx.IGraphProto => {
  const below = (name: string, limit: string): onnx.INodeProto[] => [
    node('Less', ['hu', limit], [`${name}Bool`]),
    node('Cast', [`${name}Bool`], [`${name}Float`], [int('to', FLOAT)]),
    node('Mul', [`${name}Float`, 'lung'], [`${name}Map`]),
    node('ReduceSum', [`${name}Map`], [name], [int('keepdims', 0)]),
  ];
  return {
    name: 'densities',
    input: [value('hu', FLOAT, SLICE), value('lung', FLOAT, SLICE)],
    output: ['voxels', 'below950', 'below910', 'sum'].map((name) => value(name, FLOAT, [])),
    initializer: [scalar('minus950', -950), scalar('minus910', -910)],
    node: [
      node('ReduceSum', ['lung'], ['voxels'], [int('keepdims', 0)]),
      ...below('below950', 'minus950'),
      ...below('below910', 'minus910'),
      node('Mul', ['hu', 'lung'], ['huOfLung']),
      node('ReduceSum', ['huOfLung'], ['sum'], [int('keepdims', 0)]),
    ],
  };
};

const encode = (graph: onnx.IGraphProto): Uint8Array =>
  onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    producerName: 'isthmus',
    producerVersion: '1',
    opsetImport: [{ domain: '', version: OPSET }],
    graph,
  }).finish();

const manifestPath = new URL('manifest.json', folder);
const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as { files: Record<string, string> };
for (const [name, graph] of [
  ['inner-air.onnx', airGraph()],
  ['densities.onnx', densityGraph()],
] as const) {
  const bytes = encode(graph);
  writeFileSync(new URL(name, folder), bytes);
  manifest.files[name] = createHash('sha256').update(bytes).digest('hex');
}
for (const name of ['components.ts', 'pipeline.ts']) {
  manifest.files[name] = createHash('sha256')
    .update(readFileSync(new URL(name, folder)))
    .digest('hex');
}
writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
