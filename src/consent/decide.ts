import type { Consent, ConsentProvision } from 'fhir/r4';
import { type ResourceFacts, relative } from './facts.ts';
import type { Asking, Effect } from './match.ts';
import { type ImplicitPolicy, implicitlyPermits, POLICY_URI } from './policy.ts';
import {
  type ConsentRules,
  dependsOnResource,
  obligationsOf,
  rulesOf,
  type Verdict,
  verdictOn,
  verdictOverall,
} from './rules.ts';
import { dateRange } from './time.ts';

export interface ConsentRequest {
  /** ms */
  readonly at: number;
  /** every reference the patient is known by (linked ids) */
  readonly patient: readonly string[];
  /** `system|code`, at least one: all must be permitted */
  readonly purposes: readonly string[];
  /** references, and identifiers as `system|value`, that the requester counts as */
  readonly actors: readonly string[];
  readonly action: 'access' | 'collect' | 'use' | 'disclose' | 'correct';
}

export interface ConsentPolicy {
  readonly implicit: ImplicitPolicy;
}

/** Never a bare boolean: what was decided, by which consents, and what it obliges to. */
export interface ConsentDecision {
  /** `implicit`: no consent applies; `not-computable`: withhold and report */
  readonly decision: 'permit' | 'deny' | 'implicit' | 'not-computable';
  /** after the implicit policy */
  readonly permitted: boolean;
  readonly basis: readonly { readonly reference: string; readonly versionId: string | undefined }[];
  /** set when the implicit policy decided */
  readonly policyUri: string | undefined;
  readonly reason: string;
  /** parts that are closed or opened by themselves; empty for a decision about one resource */
  readonly obligations: readonly { readonly effect: Effect; readonly criteria: ConsentProvision }[];
}

export interface CompiledConsents {
  /** verdict on all of the patient's data, or `mixed` when it depends on the resource */
  readonly whole: 'permit' | 'deny' | 'mixed';
  readonly judge: (facts: ResourceFacts) => ConsentDecision;
  readonly overall: () => ConsentDecision;
  /** ms; until then nothing changes unless a consent does */
  readonly validUntil: number;
}

interface Applicable {
  readonly consent: Consent;
  readonly rules: ConsentRules;
}

const RANK: Readonly<Record<Verdict, number>> = { none: 0, permit: 1, 'not-computable': 2, deny: 3 };

const isInForce = (consent: Consent): boolean =>
  consent.status === 'active' && !(consent.verification ?? []).some((verification) => verification.verified === false);

const isOf = (consent: Consent, patient: readonly string[]): boolean => {
  const own = relative(consent.patient?.reference);
  return patient.length === 0 || patient.some((reference) => relative(reference) === own);
};

/** Across consents a denial wins; what can't be computed comes next, since it may be one. */
const combine = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.reduce((worst, verdict) => (RANK[verdict] > RANK[worst] ? verdict : worst), 'none');

/** Instants at which a period of a provision begins or has ended. */
const boundaries = (provision: ConsentProvision | undefined): number[] => {
  if (!provision) return [];
  const range = provision.period ? dateRange(provision.period.start, provision.period.end) : undefined;
  return [...(range ? [range.start, range.end + 1] : []), ...(provision.provision ?? []).flatMap(boundaries)];
};

/**
 * Cuts the consents of one patient down to one asker, so that many resources can be judged quickly. Pure.
 *
 * @param request purposes: every one must be permitted
 */
export const compileConsents = (
  consents: readonly Consent[],
  request: ConsentRequest,
  policy: ConsentPolicy,
): CompiledConsents => {
  const inForce = consents.filter((consent) => isInForce(consent) && isOf(consent, request.patient));
  const purposes = request.purposes.length > 0 ? request.purposes : [''];
  const byPurpose = purposes.map((purpose) => {
    const asking: Asking = { at: request.at, purpose, actors: request.actors, action: request.action };
    const applicable = inForce.flatMap((consent): Applicable[] => {
      const rules = rulesOf(consent, asking);
      return rules ? [{ consent, rules }] : [];
    });
    return { purpose, applicable, implicit: implicitlyPermits(policy.implicit, purpose) };
  });

  const decideFor = (say: (rules: ConsentRules) => Verdict, withObligations: boolean): ConsentDecision => {
    const decisions = byPurpose.map(({ applicable, implicit }): ConsentDecision => {
      const verdicts = applicable.map(({ consent, rules }) => ({ consent, rules, verdict: say(rules) }));
      const verdict = combine(verdicts.map((one) => one.verdict));
      const decision = verdict === 'none' ? 'implicit' : verdict;
      const used = verdicts.filter((one) => one.verdict === verdict && verdict !== 'none');
      return {
        decision,
        permitted: decision === 'permit' || (decision === 'implicit' && implicit),
        basis: used.map(({ consent }) => ({ reference: `Consent/${consent.id ?? ''}`, versionId: consent.meta?.versionId })),
        policyUri: decision === 'implicit' ? POLICY_URI[policy.implicit] : undefined,
        reason: decision === 'implicit' ? `implicit-${policy.implicit}` : `consent-${decision}`,
        obligations: withObligations ? applicable.flatMap(({ rules }) => obligationsOf(rules)) : [],
      };
    });
    // Every purpose must be permitted: the first that is not decides.
    return (
      decisions.find((decision) => !decision.permitted) ??
      decisions.find((decision) => decision.decision !== 'implicit') ??
      decisions[0]!
    );
  };

  const overall = (): ConsentDecision => decideFor(verdictOverall, true);
  const judge = (facts: ResourceFacts): ConsentDecision => decideFor((rules) => verdictOn(rules, facts), false);
  return {
    whole: wholeOf(byPurpose),
    judge,
    overall,
    validUntil: Math.min(
      Number.POSITIVE_INFINITY,
      ...inForce.flatMap((consent) => boundaries(consent.provision)).filter((at) => at > request.at),
    ),
  };
};

const ANY: ResourceFacts = { type: '', labels: [] };

const wholeOf = (byPurpose: readonly { applicable: readonly Applicable[]; implicit: boolean }[]): CompiledConsents['whole'] => {
  let mixed = false;
  for (const { applicable, implicit } of byPurpose) {
    const fixed = combine(applicable.filter(({ rules }) => !dependsOnResource(rules)).map(({ rules }) => verdictOn(rules, ANY)));
    if (fixed === 'deny' || fixed === 'not-computable') return 'deny';
    if (applicable.some(({ rules }) => dependsOnResource(rules))) mixed = true;
    else if (fixed === 'none' && !implicit) return 'deny';
  }
  return mixed ? 'mixed' : 'permit';
};

/** One decision: about a resource when its facts are given, else about the request as a whole. */
export const decide = (
  consents: readonly Consent[],
  request: ConsentRequest & { readonly resource?: ResourceFacts },
  policy: ConsentPolicy,
): ConsentDecision => {
  const compiled = compileConsents(consents, request, policy);
  return request.resource ? compiled.judge(request.resource) : compiled.overall();
};
