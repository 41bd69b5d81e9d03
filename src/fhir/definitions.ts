import { readFileSync } from 'node:fs';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import type { Bundle, SearchParameter } from '@medplum/fhirtypes';

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`./definitions/${name}.json`, import.meta.url), 'utf8'));

let loaded = false;
let compartment: Record<string, readonly string[]> = {};
let codes: Record<string, ReadonlySet<string>> = {};

/** Loads the R4 definitions into the FHIR core once; what validates, indexes or searches calls it first. */
export const loadDefinitions = (): void => {
  if (loaded) return;
  loaded = true;
  indexStructureDefinitionBundle(read('structures') as Bundle);
  indexSearchParameterBundle(read('search-parameters') as Bundle<SearchParameter>);
  compartment = read('patient-compartment') as typeof compartment;
  codes = Object.fromEntries(
    Object.entries(read('required-codes') as Record<string, string[]>).map(([url, list]) => [url, new Set(list)]),
  );
};

/** Search parameters by which a resource of the type belongs to a Patient (R4 CompartmentDefinition patient). */
export const compartmentParameters = (type: string): readonly string[] => {
  loadDefinitions();
  return [...new Set([...(compartment[type] ?? []), 'subject', 'patient'])];
};

/** Codes of a required value set that can be listed; undefined = it can not, so any code passes. */
export const requiredCodes = (valueSet: string): ReadonlySet<string> | undefined => codes[valueSet.split('|')[0]!];
