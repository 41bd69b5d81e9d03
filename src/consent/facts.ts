import type { CodeableConcept, Period, Reference, Resource } from 'fhir/r4';
import { dateRange } from './time.ts';

/** What provisions look at in one resource. */
export interface ResourceFacts {
  readonly type: string;
  /** `Type/id` */
  readonly reference?: string | undefined;
  /** codes of meta.security */
  readonly labels: readonly string[];
  readonly profiles?: readonly string[];
  readonly mediaTypes?: readonly string[];
  /** `system|code` of the resource's main code */
  readonly codes?: readonly string[];
  /** ms, inclusive; undefined = the resource tells no time */
  readonly time?: { readonly start: number; readonly end: number } | undefined;
  readonly authors?: readonly string[];
  readonly encounter?: string | undefined;
  readonly refersTo?: readonly string[];
}

/** Elements that hold the same kind of fact in the types that are kept. */
interface Elements {
  readonly code?: CodeableConcept;
  readonly type?: CodeableConcept | readonly CodeableConcept[];
  readonly procedureCode?: readonly CodeableConcept[];
  readonly reasonCode?: readonly CodeableConcept[];
  readonly modality?: readonly { system?: string; code?: string }[];
  readonly effectiveDateTime?: string;
  readonly effectivePeriod?: Period;
  readonly effectiveInstant?: string;
  readonly started?: string;
  readonly authoredOn?: string;
  readonly recorded?: string;
  readonly issued?: string;
  readonly date?: string;
  readonly period?: Period;
  readonly performer?: readonly (Reference & { actor?: Reference })[];
  readonly resultsInterpreter?: readonly Reference[];
  readonly author?: Reference | readonly Reference[];
  readonly requester?: Reference;
  readonly recorder?: Reference;
  readonly interpreter?: readonly Reference[];
  readonly referrer?: Reference;
  readonly device?: Reference;
  readonly agent?: readonly { who?: Reference }[];
  readonly encounter?: Reference;
  readonly content?: readonly { attachment?: { contentType?: string } }[];
  readonly presentedForm?: readonly { contentType?: string }[];
}

/** `Type/id` without base and version, so that literal references to one resource are equal. */
export const relative = (reference: string | undefined): string | undefined =>
  /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(reference ?? '')?.[1] ?? reference;

const list = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T];
const codings = (concepts: readonly CodeableConcept[]): string[] =>
  concepts.flatMap((concept) => (concept.coding ?? []).map(codingText));
const codingText = (coding: { system?: string | undefined; code?: string | undefined }): string =>
  `${(coding.system ?? '').replace(/\/$/, '')}|${coding.code ?? ''}`;
const references = (...links: readonly (Reference | undefined)[]): string[] =>
  links
    .flatMap((link) => [
      relative(link?.reference),
      link?.identifier ? `${link.identifier.system ?? ''}|${link.identifier.value ?? ''}` : undefined,
    ])
    .filter((text) => text !== undefined);

const allReferences = (value: unknown, found: Set<string>): void => {
  if (Array.isArray(value)) for (const item of value) allReferences(item, found);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key === 'reference' && typeof item === 'string') found.add(relative(item)!);
      else allReferences(item, found);
    }
  }
};

export const factsOf = (resource: Resource & { resourceType: string }): ResourceFacts => {
  const r = resource as Resource & Elements & { resourceType: string };
  const time = r.effectiveDateTime ?? r.effectiveInstant ?? r.started ?? r.authoredOn ?? r.recorded ?? r.issued ?? r.date;
  const period = r.effectivePeriod ?? (r.resourceType === 'Consent' ? undefined : r.period);
  const refersTo = new Set<string>();
  allReferences(r, refersTo);
  return {
    type: r.resourceType,
    reference: r.id === undefined ? undefined : `${r.resourceType}/${r.id}`,
    labels: (r.meta?.security ?? []).flatMap((label) => label.code ?? []),
    profiles: r.meta?.profile ?? [],
    mediaTypes: [
      ...(r.content ?? []).map((content) => content.attachment?.contentType),
      ...(r.presentedForm ?? []).map((form) => form.contentType),
    ].filter((type) => type !== undefined),
    codes: [
      ...codings([
        ...list(r.code),
        ...list(r.type as CodeableConcept | undefined),
        ...(r.procedureCode ?? []),
        ...(r.reasonCode ?? []),
      ]),
      ...(r.modality ?? []).map(codingText),
    ],
    time: time !== undefined ? dateRange(time, time) : period ? dateRange(period.start, period.end) : undefined,
    authors: references(
      ...(r.performer ?? []).flatMap((performer) => [performer, performer.actor]),
      ...list(r.author),
      ...(r.resultsInterpreter ?? []),
      ...(r.interpreter ?? []),
      r.requester,
      r.recorder,
      r.referrer,
      r.device,
      ...(r.agent ?? []).map((agent) => agent.who),
    ),
    encounter: relative(r.encounter?.reference),
    refersTo: [...refersTo],
  };
};
