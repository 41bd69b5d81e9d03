import {
  convertToSearchableDates,
  convertToSearchableNumbers,
  convertToSearchableQuantities,
  convertToSearchableReferences,
  convertToSearchableStrings,
  convertToSearchableTokens,
  convertToSearchableUris,
  evalFhirPathTyped,
  getSearchParameterDetails,
  getSearchParameters,
  type TypedValue,
  toTypedValue,
} from '@medplum/core';
import type { SearchParameter } from '@medplum/fhirtypes';
import { periodSpan } from './dates.ts';
import { compartmentParameters, loadDefinitions } from './definitions.ts';
import { type AnyResource, type IndexValues, paramKey } from './store.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };

/** Starts-with search ignores case and accents (R4 search §3.1.1.4.8). */
export const normalise = (text: string): string =>
  text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();

const MAX_INDEXED = 400;
const LOWEST = -8.64e15;
const HIGHEST = 8.64e15;

const relative = (reference: string): { targetType: string; targetId: string } => {
  const match = /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/.*\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(
    reference,
  );
  return match && !/^[a-z]+:/i.test(reference)
    ? { targetType: match[1]!, targetId: match[2]! }
    : { targetType: '', targetId: reference };
};

/** The three spellings of a Study Instance UID that clients use (IHE RAD.IMR, Synthea, bare). */
const studyUidSpellings = (system: string, code: string): { system: string; code: string }[] => {
  const uid = /^(?:urn:oid:)?(\d+(?:\.\d+)+)$/.exec(code)?.[1];
  if (system !== 'urn:dicom:uid' || uid === undefined) return [{ system, code }];
  return [
    { system, code: `urn:oid:${uid}` },
    { system, code: uid },
    { system: 'urn:ietf:rfc:3986', code: `urn:oid:${uid}` },
  ];
};

const add = (values: Mutable<IndexValues>, parameter: SearchParameter, param: number, typed: TypedValue[]): void => {
  switch (parameter.type) {
    case 'token':
      for (const token of convertToSearchableTokens(typed)) {
        if (token.value === undefined) continue;
        for (const spelling of studyUidSpellings(token.system ?? '', token.value)) values.tokens.push({ param, ...spelling });
      }
      return;
    case 'string':
      for (const text of convertToSearchableStrings(typed)) {
        const norm = normalise(text).slice(0, MAX_INDEXED);
        values.strings.push({ param, norm, exact: text.slice(0, MAX_INDEXED) });
        // A name of several words is found by each of them.
        for (const word of norm.split(' ').slice(1, 20)) values.strings.push({ param, norm: word, exact: '' });
      }
      return;
    case 'date':
      for (const period of convertToSearchableDates(typed)) {
        const span = periodSpan(period.start, period.end);
        if (span) values.ranges.push({ param, ...span, system: '', code: '' });
      }
      return;
    case 'number':
      for (const [low, high] of convertToSearchableNumbers(typed))
        values.ranges.push({ param, low: low ?? LOWEST, high: high ?? HIGHEST, system: '', code: '' });
      return;
    case 'quantity':
      for (const quantity of convertToSearchableQuantities(typed)) {
        if (quantity.value === undefined) continue;
        values.ranges.push({
          param,
          low: quantity.value,
          high: quantity.value,
          system: quantity.system ?? '',
          code: quantity.code ?? quantity.unit ?? '',
        });
      }
      return;
    case 'reference':
      for (const reference of convertToSearchableReferences(typed)) values.references.push({ param, ...relative(reference) });
      return;
    case 'uri':
      for (const value of convertToSearchableUris(typed)) values.uris.push({ param, value: value.slice(0, 2000) });
  }
};

/** Values of every R4 search parameter of the type, and the Patients whose compartments hold the resource. */
export const extractIndexValues = (resource: AnyResource): IndexValues => {
  loadDefinitions();
  const type = resource.resourceType;
  const values: Mutable<IndexValues> = { patients: [], tokens: [], strings: [], ranges: [], references: [], uris: [] };
  const input = [toTypedValue(resource)];
  for (const parameter of Object.values(getSearchParameters(type) ?? {}) as SearchParameter[]) {
    if (!parameter.expression || parameter.type === 'composite' || parameter.type === 'special' || parameter.code.startsWith('_'))
      continue;
    const { parsedExpression } = getSearchParameterDetails(type, parameter);
    add(values, parameter, paramKey(type, parameter.code), evalFhirPathTyped(parsedExpression, input) as TypedValue[]);
  }
  const keys = new Set(compartmentParameters(type).map((code) => paramKey(type, code)));
  const patients = values.references
    .filter((reference) => reference.targetType === 'Patient' && keys.has(reference.param))
    .map((reference) => reference.targetId);
  return { ...deduplicated(values), patients: type === 'Patient' ? [resource.id ?? ''] : [...new Set(patients)] };
};

const deduplicated = (values: IndexValues): Omit<IndexValues, 'patients'> => {
  const unique = <Item>(items: readonly Item[]): Item[] => [
    ...new Map(items.map((item) => [JSON.stringify(item), item])).values(),
  ];
  return {
    tokens: unique(values.tokens),
    strings: unique(values.strings),
    ranges: unique(values.ranges),
    references: unique(values.references),
    uris: unique(values.uris),
  };
};
