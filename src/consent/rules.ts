import type { Consent, ConsentProvision } from 'fhir/r4';
import type { ResourceFacts } from './facts.ts';
import { type Asking, type Effect, hasResourceCriteria, matchesRequest, matchesResource } from './match.ts';

/** What one consent says: an effect, nothing (`none`), or something that can't be told by machine. */
export type Verdict = Effect | 'none' | 'not-computable';

/**
 * One consent cut down to one asker: rules whose criteria about the request hold, each with what it says of resources.
 * `base` is the root's effect; `nested` are its exceptions, the deepest that matches wins.
 */
export interface ConsentRules {
  readonly base: { readonly effect: Effect; readonly provision: ConsentProvision } | undefined;
  readonly nested: readonly NestedRule[];
  readonly notComputable: boolean;
}

interface NestedRule {
  readonly effect: Effect;
  readonly provision: ConsentProvision;
  readonly nested: readonly NestedRule[];
}

const modified = (provision: ConsentProvision): boolean =>
  Boolean(provision.modifierExtension?.length) || (provision.provision ?? []).some(modified);

const policyRule = (consent: Consent): 'OPTIN' | 'OPTOUT' | undefined =>
  (consent.policyRule?.coding ?? [])
    .flatMap((coding) => coding.code ?? [])
    .find((code): code is 'OPTIN' | 'OPTOUT' => code === 'OPTIN' || code === 'OPTOUT');

const hasOtherCriteria = (root: ConsentProvision): boolean =>
  Boolean(root.actor?.length || root.purpose?.length || root.action?.length) || hasResourceCriteria(root);

/** @returns undefined when nested rules carry no type: R4 demands one, and a guess could open what was meant to be closed */
const nestedRules = (provisions: readonly ConsentProvision[] | undefined, asking: Asking): NestedRule[] | undefined => {
  const rules: NestedRule[] = [];
  for (const provision of provisions ?? []) {
    if (provision.type === undefined) return undefined;
    if (!matchesRequest(provision, asking, provision.type)) continue;
    const nested = nestedRules(provision.provision, asking);
    if (!nested) return undefined;
    rules.push({ effect: provision.type, provision, nested });
  }
  return rules;
};

const NOT_COMPUTABLE: ConsentRules = { base: undefined, nested: [], notComputable: true };

/**
 * R4 text forbids a type at the root and makes the root the exception to policyRule; IHE PCF demands a typed root. A typed root
 * is read as it says. An untyped one with nothing but a period follows policyRule; with other criteria it is a refusal under
 * OPTOUT and not computable else, since published examples use one structure with opposite intent.
 *
 * @returns undefined when the consent does not speak of this request
 */
export const rulesOf = (consent: Consent, asking: Asking): ConsentRules | undefined => {
  const root = consent.provision ?? {};
  if (consent.modifierExtension?.length || modified(root)) return NOT_COMPUTABLE;
  if (root.type !== undefined) {
    if (!matchesRequest(root, asking, root.type)) return undefined;
    const nested = nestedRules(root.provision, asking);
    return nested ? { base: { effect: root.type, provision: root }, nested, notComputable: false } : NOT_COMPUTABLE;
  }
  const { period, ...rest } = root;
  if (period && !matchesRequest({ period }, asking, 'permit')) return undefined;
  const policy = policyRule(consent);
  if (hasOtherCriteria(rest)) {
    const mayBeException =
      policy !== 'OPTOUT' || (rest.purpose?.length && matchesRequest({ purpose: rest.purpose }, asking, 'permit'));
    return mayBeException ? NOT_COMPUTABLE : { base: { effect: 'deny', provision: {} }, nested: [], notComputable: false };
  }
  const nested = nestedRules(rest.provision, asking);
  if (!nested || policy === undefined) return NOT_COMPUTABLE;
  // Permits below OPTIN name what is allowed; a base permit would make them idle.
  const namesPermits = (rest.provision ?? []).some((provision) => provision.type === 'permit');
  const effect: Effect = policy === 'OPTIN' ? 'permit' : 'deny';
  return { base: effect === 'permit' && namesPermits ? undefined : { effect, provision: {} }, nested, notComputable: false };
};

/** Deepest matching exception wins; of matching siblings a denial. */
const nestedEffect = (rules: readonly NestedRule[], facts: ResourceFacts): Effect | undefined => {
  let effect: Effect | undefined;
  for (const rule of rules) {
    if (!matchesResource(rule.provision, facts, rule.effect)) continue;
    const own = nestedEffect(rule.nested, facts) ?? rule.effect;
    if (own === 'deny') return 'deny';
    effect = own;
  }
  return effect;
};

export const verdictOn = (rules: ConsentRules, facts: ResourceFacts): Verdict => {
  if (rules.notComputable) return 'not-computable';
  const exception = nestedEffect(rules.nested, facts);
  if (exception) return exception;
  return rules.base && matchesResource(rules.base.provision, facts, rules.base.effect) ? rules.base.effect : 'none';
};

const anyResourceCriteria = (rules: readonly NestedRule[]): boolean =>
  rules.some((rule) => hasResourceCriteria(rule.provision) || anyResourceCriteria(rule.nested));

/** Whether the verdict can differ from one resource to the next. */
export const dependsOnResource = (rules: ConsentRules): boolean =>
  !rules.notComputable &&
  ((rules.base !== undefined && hasResourceCriteria(rules.base.provision)) || anyResourceCriteria(rules.nested));

/** Verdict on the request as a whole: what it may see at most is a matter of obligations. */
export const verdictOverall = (rules: ConsentRules): Verdict => {
  if (rules.notComputable) return 'not-computable';
  const definite = rules.nested.filter((rule) => !hasResourceCriteria(rule.provision));
  const effects = definite.map((rule) => rule.effect);
  if (effects.includes('deny')) return 'deny';
  if (effects.includes('permit') || rules.nested.some((rule) => rule.effect === 'permit')) return 'permit';
  if (!rules.base) return 'none';
  return rules.base.effect === 'deny' && hasResourceCriteria(rules.base.provision) ? 'none' : rules.base.effect;
};

/** Rules that hide or open part of the record, for those who must carry them out elsewhere. */
export const obligationsOf = (rules: ConsentRules): { readonly effect: Effect; readonly criteria: ConsentProvision }[] => [
  ...(rules.base && hasResourceCriteria(rules.base.provision)
    ? [{ effect: rules.base.effect, criteria: rules.base.provision }]
    : []),
  ...rules.nested
    .filter((rule) => hasResourceCriteria(rule.provision))
    .map((rule) => ({ effect: rule.effect, criteria: rule.provision })),
];
