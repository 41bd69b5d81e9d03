import type { CodeableConcept, ConsentProvision, Reference } from 'fhir/r4';
import { type ResourceFacts, relative } from './facts.ts';
import { dateRange } from './time.ts';
import { isConfidentiality, labelCovers, purposeCovers } from './vocabulary.ts';

export type Effect = 'permit' | 'deny';

/** One asker, one purpose, one instant. */
export interface Asking {
  readonly at: number;
  readonly purpose: string;
  readonly actors: readonly string[];
  readonly action: string;
}

const RECIPIENT_ROLES = new Set(['IRCP', 'PRCP']);
const RESOURCE_TYPES = /\/resource-types$/;
const PROFILES = /\/StructureDefinition/;
const MEDIA_TYPES = 'urn:ietf:bcp:13';

const coded = (concepts: readonly CodeableConcept[] | undefined): string[] =>
  (concepts ?? []).flatMap((concept) => (concept.coding ?? []).flatMap((coding) => coding.code ?? []));

/** Every name a reference gives its target. */
const namesOf = (reference: Reference): string[] => [
  ...(reference.reference === undefined ? [] : [relative(reference.reference)!, reference.reference]),
  ...(reference.identifier ? [`${reference.identifier.system ?? ''}|${reference.identifier.value ?? ''}`] : []),
];

const isRecipient = (role: CodeableConcept | undefined): boolean =>
  coded(role ? [role] : []).some((code) => RECIPIENT_ROLES.has(code));

/** Whether the criteria about the request hold: all that are present (R4 Consent.provision: AND), any entry of a list (OR). */
export const matchesRequest = (provision: ConsentProvision, asking: Asking, effect: Effect): boolean => {
  if (provision.period) {
    const range = dateRange(provision.period.start, provision.period.end);
    if (!range || asking.at < range.start || asking.at > range.end) return false;
  }
  if (
    provision.purpose?.length &&
    !provision.purpose.some((purpose) => purposeCovers(`${purpose.system ?? ''}|${purpose.code ?? ''}`, asking.purpose, effect))
  )
    return false;
  if (provision.action?.length && !coded(provision.action).includes(asking.action)) return false;
  if (!provision.actor?.length) return true;
  return provision.actor.some(
    (actor) => isRecipient(actor.role) && namesOf(actor.reference).some((name) => asking.actors.includes(name)),
  );
};

/** Whether a rule looks at the resource at all. */
export const hasResourceCriteria = (provision: ConsentProvision): boolean =>
  Boolean(
    provision.securityLabel?.length ||
      provision.class?.length ||
      provision.code?.length ||
      provision.data?.length ||
      provision.dataPeriod,
  );

const matchesLabels = (provision: ConsentProvision, facts: ResourceFacts, effect: Effect): boolean => {
  const listed = (provision.securityLabel ?? []).flatMap((label) => label.code ?? []);
  // What carries no confidentiality yet may be anything: a permit waits for the labeller, a denial of a level does not.
  return (
    listed.some((code) => facts.labels.some((label) => labelCovers(code, label, effect))) ||
    (effect === 'deny' && listed.some(isConfidentiality) && !facts.labels.some(isConfidentiality))
  );
};

const matchesClass = (provision: ConsentProvision, facts: ResourceFacts, effect: Effect): boolean =>
  (provision.class ?? []).some(({ system, code }) => {
    if (RESOURCE_TYPES.test(system ?? '')) return code === facts.type;
    if (system === MEDIA_TYPES) return facts.mediaTypes?.includes(code ?? '') ?? false;
    if (PROFILES.test(`${system}${code}`))
      return (facts.profiles ?? []).some((profile) => profile === code || profile === system);
    return effect === 'deny';
  });

const matchesCode = (provision: ConsentProvision, facts: ResourceFacts): boolean =>
  (provision.code ?? []).some((concept) =>
    (concept.coding ?? []).some((coding) =>
      facts.codes?.includes(`${(coding.system ?? '').replace(/\/$/, '')}|${coding.code ?? ''}`),
    ),
  );

const matchesData = (provision: ConsentProvision, facts: ResourceFacts): boolean =>
  (provision.data ?? []).some(({ meaning, reference }) => {
    const target = namesOf(reference);
    const isTarget = facts.reference !== undefined && target.includes(facts.reference);
    if (meaning === 'instance') return isTarget;
    if (meaning === 'authoredby') return target.some((name) => facts.authors?.includes(name));
    // IHE PCF uses `related` for what belongs to an Encounter, which R4 calls `dependents`.
    const belongs = target.some((name) => facts.encounter === name || (facts.refersTo?.includes(name) ?? false));
    return isTarget || belongs;
  });

const matchesTime = (provision: ConsentProvision, facts: ResourceFacts, effect: Effect): boolean => {
  const range = dateRange(provision.dataPeriod!.start, provision.dataPeriod!.end);
  // Data without a date are withheld either way: not released by a permit, covered by a denial.
  if (!range || !facts.time) return effect === 'deny';
  return effect === 'permit'
    ? facts.time.start >= range.start && facts.time.end <= range.end
    : facts.time.start <= range.end && facts.time.end >= range.start;
};

/** Whether the criteria about the resource hold. */
export const matchesResource = (provision: ConsentProvision, facts: ResourceFacts, effect: Effect): boolean =>
  (!provision.securityLabel?.length || matchesLabels(provision, facts, effect)) &&
  (!provision.class?.length || matchesClass(provision, facts, effect)) &&
  (!provision.code?.length || matchesCode(provision, facts)) &&
  (!provision.data?.length || matchesData(provision, facts)) &&
  (!provision.dataPeriod || matchesTime(provision, facts, effect));
