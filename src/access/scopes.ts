/** One letter of a SMART v2 scope (SMART App Launch 2.2, scopes for requesting FHIR resources). */
export type Interaction = 'c' | 'r' | 'u' | 'd' | 's';

export type ScopeContext = 'patient' | 'user' | 'system';

export interface ResourceScope {
  readonly kind: 'resource';
  readonly raw: string;
  readonly context: ScopeContext;
  /** resource type, or `*` */
  readonly type: string;
  /** subset of `cruds`, in that order */
  readonly interactions: string;
  readonly version: 1 | 2;
  /** granular constraint as a FHIR query, still percent-encoded; v2 only */
  readonly query: string | undefined;
}

export interface PlainScope {
  readonly kind: 'identity' | 'launch';
  readonly raw: string;
}

export type Scope = ResourceScope | PlainScope;

const RESOURCE = /^(patient|user|system)\/(\*|[A-Z][A-Za-z]{1,63})\.(\*|read|write|c?r?u?d?s?)(?:\?([^\s"\\]+))?$/;
const LAUNCH = /^launch(\/[a-z]+)?(\?role=[^\s"\\]+)?$/;
const IDENTITY = new Set(['openid', 'fhirUser', 'profile', 'offline_access', 'online_access']);
const V1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };
/** Search result parameters, modifiers and chains cannot narrow a scope: experimental in 2.2, refused. */
const REFUSED_IN_QUERY = /(^|&)(_[^=&]*|[^=&]*[:.][^=&]*)=/;

/** @returns undefined for what is no scope, or one out of order (`.dus`): such a scope is dropped, never widened. */
export const parseScope = (raw: string): Scope | undefined => {
  if (IDENTITY.has(raw)) return { kind: 'identity', raw };
  if (LAUNCH.test(raw)) return { kind: 'launch', raw };
  const match = RESOURCE.exec(raw);
  if (!match?.[3]) return undefined;
  const [, context, type, letters, query] = match;
  const v1 = V1[letters!];
  if (query !== undefined && (v1 !== undefined || type === '*' || REFUSED_IN_QUERY.test(query))) return undefined;
  return {
    kind: 'resource',
    raw,
    context: context as ScopeContext,
    type: type!,
    interactions: v1 ?? letters!,
    version: v1 === undefined ? 2 : 1,
    query,
  };
};

/** The distinct scopes of a space-separated list, in order; what does not parse is left out. */
export const parseScopes = (text: string | undefined): Scope[] =>
  [...new Set((text ?? '').split(/\s+/))].flatMap((raw) => parseScope(raw) ?? []);

export const scopeText = (scopes: readonly Scope[]): string => scopes.map((scope) => scope.raw).join(' ');

/** Whether all that `want` allows is allowed by `have`. A constraint covers only itself. */
export const covers = (have: Scope, want: Scope): boolean => {
  if (have.kind !== 'resource' || want.kind !== 'resource') return have.raw === want.raw;
  return (
    have.context === want.context &&
    (have.type === '*' || have.type === want.type) &&
    [...want.interactions].every((letter) => have.interactions.includes(letter)) &&
    (have.query === undefined || have.query === want.query)
  );
};

/** Not opened by `*`: such types hold what is about the server or its users, not about care (they must be named). */
const NAMED_ONLY = new Set(['AuditEvent', 'Subscription']);

/** The resource scopes that speak of one interaction on one type. */
export const scopesFor = (scopes: readonly Scope[], type: string, interaction: Interaction): ResourceScope[] =>
  scopes.filter(
    (scope): scope is ResourceScope =>
      scope.kind === 'resource' &&
      (scope.type === type || (scope.type === '*' && (scope.context === 'system' || !NAMED_ONLY.has(type)))) &&
      scope.interactions.includes(interaction),
  );
