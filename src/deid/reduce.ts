import type { DicomElement, DicomJson } from '../dicom/json.ts';

/** What a model's manifest may ask for: named attributes, each with its reason. */
export interface InputManifest {
  readonly tags: readonly { readonly tag: string }[];
}

/** One image as a model is given it: attributes by name, and its place in the job instead of any UID. */
export interface ReducedInstance {
  /** position in the job; the server alone knows which instance that is */
  readonly ordinal: number;
  readonly attributes: DicomJson;
}

/** Free text in which a name may hide: of such an attribute only presence is passed on. */
const PRESENCE_ONLY = new Set(['00180010']);

const reduced = (tag: string, element: DicomElement): DicomElement =>
  PRESENCE_ONLY.has(tag)
    ? { vr: element.vr, ...(element.Value ? { Value: ['PRESENT'] } : {}) }
    : { vr: element.vr, ...(element.Value ? { Value: element.Value } : {}) };

/** Passes on what the manifest names and nothing else: an attribute nobody listed is not there, whatever it is. */
export const reduce = (manifest: InputManifest, datasets: readonly DicomJson[]): ReducedInstance[] =>
  datasets.map((dataset, ordinal) => {
    const attributes: DicomJson = {};
    for (const { tag } of manifest.tags) {
      const element = dataset[tag];
      if (element && element.vr !== 'SQ' && element.vr !== 'PN' && element.vr !== 'UI') attributes[tag] = reduced(tag, element);
    }
    return { ordinal, attributes };
  });
