import type { FhirResource } from 'fhir/r4';
import { type CompiledConsents, type ConsentDecision, type ConsentPolicy, compileConsents } from '../consent/decide.ts';
import { factsOf } from '../consent/facts.ts';
import type { ConsentSource } from '../consent/ports.ts';
import type { Judged } from '../kernel/restriction.ts';

/** Who asks for what: two askers with equal profiles see the same. */
export interface Asker {
  readonly purposes: readonly string[];
  readonly actors: readonly string[];
  readonly action: 'access' | 'use' | 'disclose';
}

/** What consent leaves one asker, over all patients that have a Consent. */
export interface Standing {
  /** verdict for a patient without an applicable consent */
  readonly implicitlyPermitted: boolean;
  readonly hidden: readonly string[];
  readonly permitted: readonly string[];
  readonly mixed: ReadonlySet<string>;
  readonly judge: (patient: string, resource: Judged) => ConsentDecision;
}

export interface ConsentJudge {
  readonly standing: (asker: Asker) => Promise<Standing>;
  /** One decision about one patient's data: about a resource, or the request as a whole. */
  readonly decide: (asker: Asker, patient: string, resource?: Judged) => Promise<ConsentDecision>;
}

interface Deps {
  readonly source: ConsentSource;
  readonly policy: ConsentPolicy;
  readonly now: () => number;
}

interface PatientEntry {
  readonly compiled: CompiledConsents;
  /** ms; the verdict may change then because a period begins or ends */
  readonly until: number;
}

interface Profile {
  head: number;
  readonly patients: Map<string, PatientEntry>;
  standing: Standing | undefined;
  /** earliest `until` */
  nextChange: number;
}

const MAX_PROFILES = 200;

const keyOf = (asker: Asker): string => JSON.stringify([asker.action, [...asker.purposes].sort(), [...asker.actors].sort()]);

/**
 * Keeps, for each kind of asker, the verdict on every patient who has consents. A request costs one look at the head; a
 * changed Consent costs the recompilation of its patient; a period that begins or ends costs the same at its instant.
 */
export const createConsentJudge = ({ source, policy, now }: Deps): ConsentJudge => {
  const profiles = new Map<string, Profile>();

  const compile = async (asker: Asker, patient: string): Promise<PatientEntry | undefined> => {
    const consents = await source.of(patient);
    if (consents.length === 0) return undefined;
    const at = now();
    const compiled = compileConsents(consents, { at, patient: [`Patient/${patient}`], ...asker }, policy);
    return { compiled, until: compiled.validUntil };
  };

  const refresh = async (asker: Asker, profile: Profile): Promise<void> => {
    const at = now();
    const { patients: changed, head } =
      profile.head === (await source.head()) ? { patients: [], head: profile.head } : await source.changed(profile.head);
    const stale = new Set(changed);
    if (at >= profile.nextChange) for (const [patient, entry] of profile.patients) if (at >= entry.until) stale.add(patient);
    if (stale.size === 0 && profile.standing) return;
    for (const patient of stale) {
      const entry = await compile(asker, patient);
      if (entry) profile.patients.set(patient, entry);
      else profile.patients.delete(patient);
    }
    profile.head = head;
    profile.nextChange = Math.min(Number.POSITIVE_INFINITY, ...[...profile.patients.values()].map((entry) => entry.until));
    profile.standing = standingOf(profile, asker);
  };

  const standingOf = (profile: Profile, asker: Asker): Standing => {
    const of = (whole: 'permit' | 'deny' | 'mixed') =>
      [...profile.patients].flatMap(([patient, entry]) => (entry.compiled.whole === whole ? patient : []));
    const nobody = compileConsents([], { at: now(), patient: [], ...asker }, policy);
    return {
      implicitlyPermitted: nobody.whole === 'permit',
      hidden: of('deny'),
      permitted: of('permit'),
      mixed: new Set(of('mixed')),
      judge: (patient, resource) => (profile.patients.get(patient)?.compiled ?? nobody).judge(factsOf(resource as FhirResource)),
    };
  };

  const profileOf = (asker: Asker): Profile => {
    const key = keyOf(asker);
    const profile = profiles.get(key) ?? {
      head: 0,
      patients: new Map(),
      standing: undefined,
      nextChange: Number.POSITIVE_INFINITY,
    };
    profiles.delete(key);
    profiles.set(key, profile);
    if (profiles.size > MAX_PROFILES) profiles.delete(profiles.keys().next().value!);
    return profile;
  };

  return {
    standing: async (asker) => {
      const profile = profileOf(asker);
      await refresh(asker, profile);
      return profile.standing!;
    },
    decide: async (asker, patient, resource) => {
      const consents = await source.of(patient);
      const compiled = compileConsents(consents, { at: now(), patient: [`Patient/${patient}`], ...asker }, policy);
      return resource ? compiled.judge(factsOf(resource as FhirResource)) : compiled.overall();
    },
  };
};
