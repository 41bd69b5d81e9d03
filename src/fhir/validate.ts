import { crawlTypedValue, type InternalSchemaElement, toTypedValue, validateResource } from '@medplum/core';
import type { Resource as MedplumResource } from '@medplum/fhirtypes';
import type { OperationOutcomeIssue } from 'fhir/r4';
import { loadDefinitions, requiredCodes } from './definitions.ts';
import type { AnyResource } from './store.ts';

const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const MAX_ISSUES = 50;
const SCRIPT = /<\s*(script|iframe|object|embed|form|base|link|style)\b|\son[a-z]+\s*=|javascript:/i;

const issue = (expression: string, diagnostics: string): OperationOutcomeIssue => ({
  severity: 'error',
  code: 'invariant',
  diagnostics,
  expression: [expression],
});

const ZONED = /T.*(Z|[+-]\d{2}:\d{2})$/;

/** What the FHIR core lets pass: empty arrays, objects and strings, dateTimes with a time but no zone, two choices of one value[x], script in narrative. */
const structural = (value: unknown, path: string, issues: OperationOutcomeIssue[]): void => {
  if (issues.length >= MAX_ISSUES) return;
  if (typeof value === 'string') {
    if (value.trim() === '') issues.push(issue(path, 'An element must not be empty'));
    else if (/DateTime$|\.(issued|recorded|authoredOn|started)$/.test(path) && value.includes('T') && !ZONED.test(value))
      issues.push(issue(path, 'A time needs a zone'));
  } else if (Array.isArray(value)) {
    if (value.length === 0) issues.push(issue(path, 'A list must not be empty'));
    value.forEach((item, at) => {
      if (item !== null) structural(item, `${path}[${at}]`, issues);
    });
  } else if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value);
    if (keys.length === 0) issues.push(issue(path, 'An element must not be empty'));
    const choices = keys.filter((key) => /^(value|effective|onset|deceased|multipleBirth)[A-Z]/.test(key) && key !== 'valueSet');
    for (const stem of ['value', 'effective', 'onset', 'deceased', 'multipleBirth']) {
      if (choices.filter((key) => key.startsWith(stem)).length > 1) issues.push(issue(path, `Only one ${stem}[x] may be given`));
    }
    for (const key of keys) {
      const child = (value as Record<string, unknown>)[key];
      if (key === 'div' && typeof child === 'string' && SCRIPT.test(child))
        issues.push(issue(`${path}.div`, 'Narrative must not hold active content'));
      structural(child, `${path}.${key}`, issues);
    }
  }
};

const bindings = (resource: AnyResource, issues: OperationOutcomeIssue[]): void => {
  crawlTypedValue(toTypedValue(resource), {
    visitProperty: (_parent, _key, path, values, schema) => {
      const binding = (
        schema.elements as Record<string, InternalSchemaElement & { binding?: { strength?: string; valueSet?: string } }>
      )[_key]?.binding;
      if (binding?.strength !== 'required' || !binding.valueSet) return;
      const codes = requiredCodes(binding.valueSet);
      if (!codes) return;
      for (const value of values.flat()) {
        if (value?.type === 'code' && typeof value.value === 'string' && !codes.has(value.value))
          issues.push(issue(path, 'The code is not in the required value set'));
      }
    },
  });
};

/**
 * Checks a resource against R4: structure, cardinality, primitives, invariants, required codes.
 *
 * @returns issues with FHIRPath expressions, none with a value in it; empty = valid
 */
export const validate = (resource: AnyResource): OperationOutcomeIssue[] => {
  loadDefinitions();
  const issues: OperationOutcomeIssue[] = [];
  const type = resource.resourceType;
  if (resource.id !== undefined && !ID.test(resource.id))
    issues.push(issue(`${type}.id`, 'An id has 1 to 64 letters, digits, dots and hyphens'));
  structural(resource, type, issues);
  try {
    validateResource(resource as unknown as MedplumResource);
    bindings(resource, issues);
  } catch (error) {
    const found = (error as { outcome?: { issue?: OperationOutcomeIssue[] } }).outcome?.issue;
    if (!found) throw error;
    for (const one of found.filter((candidate) => candidate.severity === 'error' || candidate.severity === 'fatal')) {
      issues.push(
        issue(one.expression?.[0] ?? type, withoutValue(one.details?.text ?? one.diagnostics ?? 'The resource is not valid')),
      );
    }
  }
  return issues.slice(0, MAX_ISSUES);
};

/** Messages of the core may quote what was sent. */
const withoutValue = (message: string): string => message.replace(/"[^"]*"|'[^']*'/g, '…').slice(0, 300);
