import type { AuditEvent } from 'fhir/r4';
import type { ConsentJudge } from '../access/consents.ts';
import type { Principal } from '../access/principal.ts';
import {
  auditEvent,
  consentEntity,
  dataEntity,
  type EventFacts,
  jobEntity,
  type Occasion,
  patientEntity,
  queryEntity,
  type Source,
  studyEntity,
} from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { DicomwebAudit, StudyAccess } from '../dicomweb/audit-port.ts';
import type { FhirAudit } from '../fhir/audit-port.ts';
import type { JobAudit } from '../jobs/analysis.ts';
import type { SmartAudit } from '../smart/ports.ts';

export interface AuditWiring {
  readonly dicomweb: DicomwebAudit;
  readonly fhir: FhirAudit;
  readonly smart: SmartAudit;
  readonly jobs: JobAudit;
  readonly application: (what: 'start' | 'stop') => Promise<void>;
}

interface Deps {
  readonly log: AuditLog;
  readonly source: Source;
  readonly consents: ConsentJudge;
  readonly ownActors: readonly string[];
}

interface RequestFacts {
  readonly requestId: string;
  readonly principal: Principal | undefined;
  readonly address: string;
}

const occasion = ({ requestId, principal, address }: RequestFacts): Occasion => ({
  requestId,
  client: { id: principal?.clientId ?? '', address, tokenTail: principal?.tokenTail },
  user: principal ? { reference: principal.fhirUser, subject: principal.subject } : undefined,
  purposes: principal?.purposes,
});

/** What each front end and the job runner leave on record, in one place: port by port, event by event. */
export const wireAudit = ({ log, source, consents, ownActors }: Deps): AuditWiring => {
  const keep = async (facts: EventFacts, durable: boolean): Promise<void> => {
    const event: AuditEvent = auditEvent(facts, source);
    await log.append(event, durable);
  };

  /** The decision behind an access, when a consent of the patient had a say (BALP AuthZ-Consent). */
  const decisions = async (request: RequestFacts, patients: readonly string[]): Promise<void> => {
    const { principal } = request;
    if (!principal) return;
    for (const patient of patients) {
      const decision = await consents.decide(
        { purposes: principal.purposes, actors: [...principal.actors, ...ownActors], action: 'access' },
        patient,
      );
      if (decision.basis.length === 0) continue;
      await keep(
        {
          ...occasion(request),
          type: 'security',
          subtypes: ['consent'],
          action: 'E',
          direction: 'acts',
          outcome: decision.permitted ? '0' : '4',
          outcomeDesc: decision.reason,
          entities: [patientEntity(patient), ...decision.basis.map(consentEntity)],
        },
        false,
      );
    }
  };

  const studyEvent = (
    request: RequestFacts,
    access: StudyAccess,
    facts: Pick<EventFacts, 'type' | 'subtypes' | 'action' | 'direction'> & Partial<EventFacts>,
  ): EventFacts => ({
    ...occasion(request),
    entities: [studyEntity(access), dataEntity(`ImagingStudy/${access.imagingStudy}`), patientEntity(access.patient)],
    ...facts,
  });

  const dicomweb: DicomwebAudit = {
    queried: async (request, query, found) => {
      const patients = [...new Set(found.map((access) => access.patient))];
      const base = { ...occasion(request), type: 'query', subtypes: ['search'], action: 'E', direction: 'sends' } as const;
      // One event for each patient, so that no record of one names another.
      for (const patient of patients.length > 0 ? patients : [undefined]) {
        const studies = found.filter((access) => access.patient === patient);
        await keep(
          {
            ...base,
            entities: [
              queryEntity(query, ''),
              ...studies.map(studyEntity),
              ...(patient === undefined ? [] : [patientEntity(patient)]),
            ],
          },
          false,
        );
      }
    },
    retrieved: async (request, access) => {
      await keep(
        studyEvent(request, access, { type: 'transferred', subtypes: ['read'], action: 'R', direction: 'reads' }),
        false,
      );
      await decisions(request, [access.patient]);
    },
    interrupted: (request, access) =>
      keep(
        studyEvent(request, access, {
          type: 'transferred',
          subtypes: ['read'],
          action: 'R',
          direction: 'reads',
          outcome: '8',
          outcomeDesc: 'interrupted',
        }),
        false,
      ),
    stored: (request, access, isNew) =>
      keep(
        studyEvent(request, access, {
          type: 'transferred',
          subtypes: [isNew ? 'create' : 'update'],
          action: isNew ? 'C' : 'U',
          direction: 'sends',
        }),
        true,
      ),
    refused: (request, status, reason, study) =>
      keep(
        {
          ...occasion(request),
          type: status === 401 ? 'authentication' : 'accessed',
          subtypes: status === 401 ? ['login'] : [],
          action: 'E',
          direction: 'acts',
          outcome: status >= 500 ? '8' : '4',
          outcomeDesc: reason,
          entities:
            study && /^[\d.]{1,64}$/.test(study)
              ? [studyEntity({ studyInstanceUid: study, sopClasses: [], instanceCount: 0, accession: '' })]
              : [],
        },
        false,
      ),
  };

  const fhir: FhirAudit = {
    read: async (request, resource, vread) => {
      const entities = [dataEntity(`${resource.type}/${resource.id}/_history/${resource.versionId}`)];
      const base = {
        ...occasion(request),
        type: 'rest',
        subtypes: [vread ? 'vread' : 'read'],
        action: 'R',
        direction: 'reads',
      } as const;
      for (const patient of resource.patients.length > 0 ? resource.patients : [undefined])
        await keep({ ...base, entities: [...entities, ...(patient === undefined ? [] : [patientEntity(patient)])] }, false);
      await decisions(request, resource.patients);
    },
    searched: async (request, type, query, understood, patients) => {
      const base = { ...occasion(request), type: 'rest', subtypes: ['search'], action: 'E', direction: 'sends' } as const;
      const entity = queryEntity(`${type}?${query}`, `${type}: ${understood}`);
      for (const patient of patients.length > 0 ? patients : [undefined])
        await keep({ ...base, entities: [entity, ...(patient === undefined ? [] : [patientEntity(patient)])] }, false);
    },
    written: async (request, resource, created) => {
      const base = {
        ...occasion(request),
        type: 'rest',
        subtypes: [created ? 'create' : 'update'],
        action: created ? 'C' : 'U',
        direction: 'sends',
      } as const;
      const data = dataEntity(`${resource.type}/${resource.id}/_history/${resource.versionId}`);
      for (const patient of resource.patients.length > 0 ? resource.patients : [undefined])
        await keep({ ...base, entities: [data, ...(patient === undefined ? [] : [patientEntity(patient)])] }, true);
    },
    refused: (request, status, reason, target) =>
      keep(
        {
          ...occasion(request),
          type: status === 401 ? 'authentication' : 'rest',
          subtypes: status === 401 ? ['login'] : [],
          action: 'E',
          direction: 'acts',
          outcome: status >= 500 ? '8' : '4',
          outcomeDesc: reason,
          entities:
            target.type && target.id && /^[A-Z][A-Za-z]+$/.test(target.type) && /^[A-Za-z0-9\-.]{1,64}$/.test(target.id)
              ? [dataEntity(`${target.type}/${target.id}`)]
              : [],
        },
        false,
      ),
  };

  const smart: SmartAudit = {
    tokenIssued: ({ clientId, subject, scope, tokenTail, address }) =>
      keep(
        {
          type: 'authentication',
          subtypes: ['token'],
          action: 'E',
          direction: 'acts',
          client: { id: clientId, address, tokenTail },
          user: { subject },
          entities: [queryEntity(scope, '')],
        },
        true,
      ),
    refused: ({ clientId, reason, address }) =>
      keep(
        {
          type: 'authentication',
          subtypes: ['token'],
          action: 'E',
          direction: 'acts',
          outcome: '4',
          outcomeDesc: reason,
          client: { id: clientId ?? '', address },
          entities: [],
        },
        false,
      ),
    signIn: ({ subject, success, address }) =>
      keep(
        {
          type: 'authentication',
          subtypes: ['login'],
          action: 'E',
          direction: 'acts',
          outcome: success ? '0' : '4',
          client: { id: '', address },
          user: subject ? { subject } : undefined,
          entities: [],
        },
        true,
      ),
  };

  const STEPS: Record<Parameters<JobAudit['step']>[1], Pick<EventFacts, 'type' | 'subtypes' | 'action'>> = {
    start: { type: 'application', subtypes: ['start'], action: 'E' },
    deidentify: { type: 'export', subtypes: ['deidentify'], action: 'R' },
    model: { type: 'application', subtypes: [], action: 'E' },
    store: { type: 'transferred', subtypes: ['create'], action: 'C' },
    publish: { type: 'rest', subtypes: ['create'], action: 'C' },
    refuse: { type: 'security', subtypes: [], action: 'E' },
    fail: { type: 'application', subtypes: ['stop'], action: 'E' },
  };
  const jobs: JobAudit = {
    step: (job, step, { outcome, reason, inputDigest }) =>
      keep(
        {
          ...STEPS[step],
          direction: 'acts',
          outcome,
          outcomeDesc: reason ? `${step}: ${reason}` : step,
          purposes: [job.purpose],
          entities: [
            jobEntity({ key: job.key, model: job.model, version: job.modelVersion, digest: job.modelDigest, inputDigest }),
            studyEntity({
              studyInstanceUid: job.studyInstanceUid,
              sopClasses: [],
              instanceCount: job.input.length,
              accession: '',
            }),
            patientEntity(job.patient),
          ],
        },
        true,
      ),
  };

  return {
    dicomweb,
    fhir,
    smart,
    jobs,
    application: (what) => keep({ type: 'application', subtypes: [what], action: 'E', direction: 'acts', entities: [] }, true),
  };
};
