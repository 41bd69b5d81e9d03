import { createHash } from 'node:crypto';
import { findLeftovers } from '../deid/leftover.ts';
import { type ReducedInstance, reduce } from '../deid/reduce.ts';
import { findTransferSyntax } from '../dicom/transfer-syntax.ts';
import { writePart10 } from '../dicom/write.ts';
import type { AnyResource } from '../fhir/store.ts';
import { type Analysis, type JobAudit, JobFailed, JobRefused, type Produced } from '../jobs/analysis.ts';
import type { Job, StudyFacts, StudyInstance } from '../jobs/ports.ts';
import type { Tx } from '../kernel/transaction.ts';
import { type Accepted, accept, plausible } from '../models/ct-emphysema/accept.ts';
import type { EmphysemaValues } from '../models/ct-emphysema/pipeline.ts';
import { hounsfield } from '../models/hounsfield.ts';
import type { ModelRegistry } from '../models/registry.ts';
import { ModelFailure, type Sandbox } from '../models/sandbox.ts';
import { CT_EMPHYSEMA, densitometryMeasurements } from '../results/ct-emphysema.ts';
import { device, diagnosticReport, observations, privateCodeSystem, provenance } from '../results/fhir.ts';
import type { AnalysisResult } from '../results/result.ts';
import { measurementReport } from '../results/tid1500.ts';

export interface AnalysisDeps {
  readonly registry: ModelRegistry;
  readonly sandbox: Sandbox;
  readonly audit: JobAudit;
  readonly timeoutMs: number;
  /** keeps an object of ours in the study, in two steps: bytes first, index in the transaction */
  readonly storeObject: (
    bytes: Buffer,
  ) => Promise<{ readonly index: (tx: Tx) => Promise<void>; readonly discard: () => Promise<void> }>;
  readonly upsert: (tx: Tx, resource: AnyResource & { readonly id: string }) => Promise<void>;
}

const MODEL = 'ct-emphysema';
const RETRIED = new Set(['TIMEOUT', 'MODEL_ERROR', 'CRASH', 'RESOURCE']);

const refuse = (code: string, text: string): never => {
  throw new JobRefused({ code, text });
};

/** The series with most slices that the model takes; when none is taken, the reason of the largest. */
const choose = (instances: readonly StudyInstance[], reduced: readonly ReducedInstance[]): Accepted => {
  const bySeries = Map.groupBy(reduced, (slice) => instances[slice.ordinal]!.seriesInstanceUid);
  const judged = [...bySeries.values()].sort((a, b) => b.length - a.length).map((slices) => accept(slices));
  const accepted = judged.find((verdict): verdict is Accepted => 'order' in verdict);
  if (accepted) return accepted;
  const [first] = judged;
  return first && 'code' in first
    ? refuse(first.code, first.text)
    : refuse('no-images', 'The study has no images for this model');
};

const inputDigest = (
  reduced: readonly ReducedInstance[],
  instances: readonly StudyInstance[],
  order: readonly number[],
): string => {
  const hash = createHash('sha256');
  for (const ordinal of order) hash.update(JSON.stringify(reduced[ordinal]!.attributes)).update(instances[ordinal]!.sha256);
  return hash.digest('hex');
};

/** CT lung densitometry: reduced input, sandboxed run, plausibility, then one result for SR and FHIR. */
export const createEmphysemaAnalysis = (deps: AnalysisDeps): Analysis => {
  const { registry, sandbox, audit } = deps;

  const measure = async (
    instances: readonly StudyInstance[],
    reduced: readonly ReducedInstance[],
    accepted: Accepted,
    signal: AbortSignal,
  ) => {
    const model = registry.load(MODEL);
    const slice = async (index: number): Promise<Int16Array> => {
      const instance = instances[accepted.order[index]!]!;
      if (findTransferSyntax(instance.transferSyntaxUid)?.encapsulated !== false)
        return refuse('compressed', 'The images are compressed in a way that this version can not decode');
      return (
        hounsfield(reduced[accepted.order[index]!]!.attributes, await instance.pixels()) ??
        refuse('frame-kind', 'The pixel data does not have the size its attributes say')
      );
    };
    try {
      const { values } = await sandbox.run(
        model,
        { shape: { slices: accepted.order.length, rows: accepted.rows, columns: accepted.columns }, slice },
        { timeoutMs: deps.timeoutMs, signal },
      );
      return values as EmphysemaValues;
    } catch (error) {
      if (error instanceof ModelFailure)
        throw new JobFailed({ code: error.kind.toLowerCase().replace('_', '-'), text: error.message }, RETRIED.has(error.kind), {
          cause: error,
        });
      throw error;
    }
  };

  const run = async (
    job: Job,
    facts: StudyFacts,
    instances: readonly StudyInstance[],
    signal: AbortSignal,
  ): Promise<Produced> => {
    const { manifest } = registry.load(MODEL);
    const reduced = reduce(
      manifest.input,
      instances.map((instance) => instance.dataset),
    );
    if (reduced.some((one) => findLeftovers(instances[one.ordinal]!.dataset, one).length > 0))
      return refuse('identifier-left', 'Something that identifies the patient is left in the input');
    const accepted = choose(instances, reduced);
    const digest = inputDigest(reduced, instances, accepted.order);
    await audit.step(job, 'deidentify', { outcome: '0', inputDigest: digest });
    const values = await measure(instances, reduced, accepted, signal);
    await audit.step(job, 'model', { outcome: '0', inputDigest: digest });
    const remarks = plausible(values, accepted.voxelMm3);
    if ('code' in remarks) return refuse(remarks.code, remarks.text);
    const result = resultOf({ job, facts, instances, accepted, values, remarks, manifest });
    return produce(deps, job, result, digest);
  };

  return {
    identity: () => {
      const { manifest, digest } = registry.load(MODEL);
      return { model: MODEL, version: manifest.version, digest };
    },
    run,
  };
};

interface Found {
  readonly job: Job;
  readonly facts: StudyFacts;
  readonly instances: readonly StudyInstance[];
  readonly accepted: Accepted;
  readonly values: EmphysemaValues;
  readonly remarks: readonly string[];
  readonly manifest: ReturnType<ModelRegistry['load']>['manifest'];
}

/** Here, and only here, ordinals become instances again and the patient comes back. */
const resultOf = ({ job, facts, instances, accepted, values, remarks, manifest }: Found): AnalysisResult => {
  const ordered = accepted.order.map((ordinal) => instances[ordinal]!);
  const shown = ordered[values.anchor.slice]!;
  return {
    jobKey: job.key,
    studyInstanceUid: facts.studyInstanceUid,
    patient: facts.patient,
    imagingStudy: facts.imagingStudy,
    source: shown.dataset,
    evidence: ordered.map(({ sopClassUid, sopInstanceUid, seriesInstanceUid }) => ({
      sopClassUid,
      sopInstanceUid,
      seriesInstanceUid,
    })),
    algorithm: {
      id: manifest.id,
      name: manifest.name,
      version: manifest.version,
      manufacturer: manifest.publisher,
      parameters: manifest.parameters,
      digest: job.modelDigest,
    },
    ...CT_EMPHYSEMA,
    measurements: densitometryMeasurements({ ...values, lungVolumeMl: (values.lungVoxels * accepted.voxelMm3) / 1000 }),
    remarks: [...accepted.remarks, ...remarks],
    anchor: {
      column: values.anchor.column + 0.5,
      row: values.anchor.row + 0.5,
      on: { sopClassUid: shown.sopClassUid, sopInstanceUid: shown.sopInstanceUid },
    },
    at: job.createdAt,
  };
};

const produce = (deps: AnalysisDeps, job: Job, result: AnalysisResult, digest: string): Produced => {
  let object: Awaited<ReturnType<AnalysisDeps['storeObject']>> | undefined;
  return {
    inputDigest: digest,
    keep: async () => {
      object = await deps.storeObject(writePart10(measurementReport(result)));
      await deps.audit.step(job, 'store', { outcome: '0' });
    },
    publish: async (tx) => {
      await object!.index(tx);
      for (const resource of [
        privateCodeSystem(),
        device(result.algorithm),
        ...observations(result),
        diagnosticReport(result),
        provenance(result),
      ]) {
        await deps.upsert(tx, resource as AnyResource & { readonly id: string });
      }
    },
    discard: async () => object?.discard(),
  };
};
