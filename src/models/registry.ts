import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Fault } from '../kernel/fault.ts';

const Digest = z.string().regex(/^[0-9a-f]{64}$/);
const Rationale = z.strictObject({ purpose: z.string().min(1), why: z.string().min(1) });

/** What a model package says of itself. Every input is named with the reason why it is needed (45 CFR 164.502(b)). */
export const Manifest = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,40}$/),
  name: z.string().min(1).max(64),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  publisher: z.string().min(1).max(64),
  license: z.string().min(1),
  parameters: z.string().max(200),
  /** file name in the package → SHA-256 */
  files: z.record(z.string(), Digest),
  pipeline: z.string(),
  runtime: z.strictObject({
    onnxOpset: z.number().int().max(21),
    memoryMb: z.number().int().positive(),
    timeoutSeconds: z.number().int().positive(),
  }),
  input: z.strictObject({
    pixels: Rationale,
    tags: z.array(Rationale.extend({ tag: z.string().regex(/^[0-9A-F]{8}$/), keyword: z.string() })),
  }),
  card: z.strictObject({
    intendedUse: z.string().min(1),
    outOfScope: z.string().min(1),
    regulatoryStatus: z.string().min(1),
    references: z.array(z.string()),
  }),
});
export type Manifest = z.infer<typeof Manifest>;

export interface Model {
  readonly manifest: Manifest;
  readonly folder: string;
  /** SHA-256 over the manifest and, through it, every file */
  readonly digest: string;
}

/**
 * Loads a package and checks every byte of it against its manifest.
 *
 * @throws Fault `invalid` when a file is missing, added or changed
 */
export const loadModel = (folder: string): Model => {
  const refuse = (reason: string): never => {
    throw new Fault('invalid', `The model package is refused: ${reason}`);
  };
  const text = readFileSync(join(folder, 'manifest.json'));
  const parsed = Manifest.safeParse(JSON.parse(text.toString('utf8')));
  if (!parsed.success) return refuse(`manifest ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')}`);
  const manifest = parsed.data;
  if (!(manifest.pipeline in manifest.files)) refuse('its pipeline is not among its files');
  for (const [name, digest] of Object.entries(manifest.files)) {
    if (basename(name) !== name) refuse('a file lies outside the package');
    const found = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
    if (found !== digest) refuse('a file is not the one that was released');
  }
  const graphs = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
  if (graphs.some((name) => !(name in manifest.files))) refuse('it holds a graph that its manifest does not name');
  return { manifest, folder, digest: createHash('sha256').update(text).digest('hex') };
};

export interface ModelRegistry {
  /** verified anew at each call: a file that was swapped since is found */
  readonly load: (id: string) => Model;
  readonly list: () => Model[];
}

const BUILT_IN = ['ct-emphysema'];

/** @param folder of further packages, empty = none */
export const createModelRegistry = (folder: string): ModelRegistry => {
  const own = fileURLToPath(new URL('.', import.meta.url));
  const folders = new Map(BUILT_IN.map((id) => [id, join(own, id)]));
  if (folder !== '') for (const name of readdirSync(folder)) folders.set(name, join(folder, name));
  const load = (id: string): Model => {
    const path = folders.get(id);
    if (path === undefined) throw new Fault('unknown', 'No such model');
    return loadModel(path);
  };
  return { load, list: () => [...folders.keys()].map(load) };
};
