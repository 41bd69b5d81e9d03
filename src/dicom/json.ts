/** Person name as in the DICOM JSON model: only the component groups that are there (PS3.18 §F.2.2). */
export interface PersonName {
  readonly Alphabetic?: string;
  readonly Ideographic?: string;
  readonly Phonetic?: string;
}

/** One attribute; at most one of Value, InlineBinary and BulkDataURI (PS3.18 §F.2.2). */
export interface DicomElement {
  readonly vr: string;
  readonly Value?: readonly unknown[];
  /** base64 */
  readonly InlineBinary?: string;
  readonly BulkDataURI?: string;
}

/** A dataset: keys are 8 upper-case hex digits, ascending (PS3.18 §F.2). */
export type DicomJson = Record<string, DicomElement>;

/** First value as text; undefined when absent or empty. */
export const textOf = (dataset: DicomJson, tag: string): string | undefined => {
  const value = dataset[tag]?.Value?.[0];
  return value === undefined || value === null || typeof value === 'object' ? undefined : String(value);
};

/** All values as text; absent values are empty strings. */
export const textsOf = (dataset: DicomJson, tag: string): string[] =>
  (dataset[tag]?.Value ?? []).map((value) => (value === null || typeof value === 'object' ? '' : String(value)));

/** First value as a finite number, also when it is written as text (IS, DS). */
export const numberOf = (dataset: DicomJson, tag: string): number | undefined => numbersOf(dataset, tag)[0];

/** All values as finite numbers; empty when one of them is none. */
export const numbersOf = (dataset: DicomJson, tag: string): number[] => {
  const numbers = (dataset[tag]?.Value ?? []).map((value) =>
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN,
  );
  return numbers.every(Number.isFinite) ? numbers : [];
};

export const itemsOf = (dataset: DicomJson, tag: string): DicomJson[] =>
  (dataset[tag]?.Value ?? []).filter((value): value is DicomJson => typeof value === 'object' && value !== null);

/** Alphabetic group of the first person name. */
export const nameOf = (dataset: DicomJson, tag: string): string | undefined =>
  (dataset[tag]?.Value?.[0] as PersonName | undefined)?.Alphabetic;

/**
 * JSON text with the attributes in ascending order (PS3.18 §F.2.2). JSON.stringify alone would put tags that look like
 * array indices (20100010) first.
 */
export const stringifyDataset = (dataset: DicomJson): string => {
  let text = '';
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag]!;
    const value =
      element.vr === 'SQ' && element.Value
        ? `{"vr":"SQ","Value":[${itemsOf(dataset, tag).map(stringifyDataset).join(',')}]}`
        : JSON.stringify(element);
    text += `${text === '' ? '' : ','}"${tag}":${value}`;
  }
  return `{${text}}`;
};
