import { Fault } from '../kernel/fault.ts';
import type { Judged, Restriction } from '../kernel/restriction.ts';
import type { ConsentJudge, Standing } from './consents.ts';
import type { Gate, View } from './gate.ts';
import type { Principal, TokenReader } from './principal.ts';
import { type Interaction, type ResourceScope, scopesFor } from './scopes.ts';

interface GateDeps {
  readonly tokens: TokenReader;
  readonly consents: ConsentJudge;
  /** actors that every requester of this server counts as */
  readonly ownActors: readonly string[];
  /** whether a resource matches a granular scope's query; the same search engine that filters in SQL */
  readonly matches: (resource: Judged, query: string) => boolean;
}

const BEARER = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i;
const MAX_TOKEN_CHARACTERS = 4096;

export const createGate = ({ tokens, consents, ownActors, matches }: GateDeps): Gate => {
  const authenticate = async (authorization: string | undefined): Promise<Principal> => {
    const token =
      authorization !== undefined && authorization.length <= MAX_TOKEN_CHARACTERS ? BEARER.exec(authorization)?.[1] : undefined;
    const principal = token === undefined ? undefined : await tokens.principalOf(token);
    if (!principal) throw new Fault('unauthenticated', 'A valid access token is needed');
    return principal;
  };

  const view = async (principal: Principal, type: string, interaction: Interaction): Promise<View> => {
    const scopes = scopesFor(principal.scopes, type, interaction);
    if (scopes.length === 0) throw new Fault('scopeDenied', `The token has no scope for this interaction on ${type}`);
    const confined = confinement(principal, scopes);
    const filters = scopes.some((scope) => scope.query === undefined) ? undefined : scopes.map((scope) => scope.query!);
    const standing = await consents.standing({
      purposes: principal.purposes,
      actors: [...principal.actors, ...ownActors],
      action: 'access',
    });
    return {
      principal,
      type,
      interaction,
      restriction: restrictionOf(principal, confined, filters, standing),
      confinedTo: confined,
      admits: (resource, patients) =>
        (confined === undefined || (patients.length > 0 && patients.every((patient) => patient === confined))) &&
        (filters === undefined || filters.some((query) => matches(resource, query))),
    };
  };

  return { authenticate, view };
};

/** A patient scope confines to the patient in context; one user or system scope for the same interaction lifts that. */
const confinement = (principal: Principal, scopes: readonly ResourceScope[]): string | undefined => {
  if (scopes.some((scope) => scope.context !== 'patient')) return undefined;
  if (principal.patient === undefined) throw new Fault('scopeDenied', 'A patient scope needs a patient in context');
  return principal.patient;
};

const restrictionOf = (
  principal: Principal,
  confined: string | undefined,
  filters: readonly string[] | undefined,
  standing: Standing,
): Restriction => {
  // A consent is addressed to recipients: it never hides a patient's own record from that patient.
  const own = principal.fhirUser === `Patient/${principal.patient}` ? principal.patient : undefined;
  const mixed = new Set([...standing.mixed].filter((patient) => patient !== own));
  const open = standing.implicitlyPermitted ? undefined : [...standing.permitted, ...mixed, ...(own ? [own] : [])];
  return {
    onlyPatients: confined === undefined ? open : open === undefined || open.includes(confined) ? [confined] : [],
    exceptPatients: standing.hidden.filter((patient) => patient !== own),
    mixedPatients: mixed,
    sees: (resource) => {
      const patients = patientsOf(resource);
      return (
        patients.length > 0 && patients.every((patient) => !mixed.has(patient) || standing.judge(patient, resource).permitted)
      );
    },
    filters,
  };
};

interface PatientLinks {
  readonly subject?: { readonly reference?: string };
  readonly patient?: { readonly reference?: string };
  readonly for?: { readonly reference?: string };
  readonly target?: readonly { readonly reference?: string }[];
}

const patientId = (reference: string | undefined): string[] => {
  const match = /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/|$)/.exec(reference ?? '');
  return match ? [match[1]!] : [];
};

/** Patients a resource is about, by the elements that put it into a Patient compartment. */
export const patientsOf = (resource: Judged): string[] => {
  if (resource.resourceType === 'Patient') return resource.id === undefined ? [] : [resource.id];
  const { subject, patient, for: whom, target } = resource as Judged & PatientLinks;
  return [
    ...new Set([subject, patient, whom, ...(Array.isArray(target) ? target : [])].flatMap((link) => patientId(link?.reference))),
  ];
};
