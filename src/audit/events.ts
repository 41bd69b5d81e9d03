import type { AuditEvent, AuditEventAgent, AuditEventEntity, Coding } from 'fhir/r4';

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const AUDIT_EVENT_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-event-type';
const RESTFUL = 'http://hl7.org/fhir/restful-interaction';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const ROLE = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const ISO_LIFECYCLE = 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle';
const EXTENSION = 'http://hl7.org/fhir/StructureDefinition/auditevent-';

export type Outcome = NonNullable<AuditEvent['outcome']>;

/** Who asked, over what, and how it ended: the same for every event. */
export interface Occasion {
  readonly requestId?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** machine code; never a value */
  readonly outcomeDesc?: string | undefined;
  readonly client?: { readonly id: string; readonly address: string; readonly tokenTail?: string | undefined } | undefined;
  readonly user?: { readonly reference?: string | undefined; readonly subject: string } | undefined;
  /** `system|code` */
  readonly purposes?: readonly string[] | undefined;
}

/** The server's own agent. */
export interface Source {
  readonly name: string;
  readonly address: string;
}

const coding = (system: string, code: string, display: string): Coding => ({ system, code, display });

const TYPES = {
  rest: coding(AUDIT_EVENT_TYPE, 'rest', 'RESTful Operation'),
  security: coding(DCM, '110113', 'Security Alert'),
  authentication: coding(DCM, '110114', 'User Authentication'),
  application: coding(DCM, '110100', 'Application Activity'),
  accessed: coding(DCM, '110103', 'DICOM Instances Accessed'),
  transferred: coding(DCM, '110104', 'DICOM Instances Transferred'),
  query: coding(DCM, '110112', 'Query'),
  export: coding(DCM, '110106', 'Export'),
  procedure: coding(DCM, '110111', 'Procedure Record'),
} as const;

const SUBTYPES = {
  read: coding(RESTFUL, 'read', 'read'),
  vread: coding(RESTFUL, 'vread', 'vread'),
  search: coding(RESTFUL, 'search-type', 'search-type'),
  create: coding(RESTFUL, 'create', 'create'),
  update: coding(RESTFUL, 'update', 'update'),
  start: coding(DCM, '110120', 'Application Start'),
  stop: coding(DCM, '110121', 'Application Stop'),
  login: coding(DCM, '110122', 'Login'),
  token: coding('urn:ihe:event-type-code', 'ITI-71', 'Get Access Token'),
  consent: coding(
    'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEventsSubtype',
    'AuthZ-Consent',
    'Authorization consent decision',
  ),
  deidentify: coding(ISO_LIFECYCLE, 'deidentify', 'De-Identify (Anononymize) Record Lifecycle Event'),
} as const;

export type TypeName = keyof typeof TYPES;
export type SubtypeName = keyof typeof SUBTYPES;

/** Which side of the exchange client and server are (BALP): swapped between reading and querying or writing. */
const SENDER = coding(DCM, '110153', 'Source Role ID');
const RECEIVER = coding(DCM, '110152', 'Destination Role ID');
const APPLICATION = coding(DCM, '110150', 'Application');

export interface EventFacts extends Occasion {
  readonly type: TypeName;
  readonly subtypes: readonly SubtypeName[];
  readonly action: NonNullable<AuditEvent['action']>;
  /** `reads`: the server is the source of data; `queries`, `writes`: the client is; `acts`: neither */
  readonly direction: 'reads' | 'sends' | 'acts';
  readonly entities: readonly AuditEventEntity[];
}

const agents = (facts: EventFacts, source: Source): AuditEventAgent[] => {
  const [clientRole, serverRole] =
    facts.direction === 'reads'
      ? [RECEIVER, SENDER]
      : facts.direction === 'sends'
        ? [SENDER, RECEIVER]
        : [APPLICATION, APPLICATION];
  const list: AuditEventAgent[] = [];
  const { client, user } = facts;
  if (client) {
    list.push({
      type: { coding: [clientRole] },
      who: { identifier: { value: client.id === '' ? 'unknown' : client.id } },
      requestor: false,
      ...(client.tokenTail ? { policy: [`urn:isthmus:token-tail:${client.tokenTail}`] } : {}),
      network: { address: client.address === '' ? 'unknown' : client.address, type: '2' },
    });
  }
  list.push({
    type: { coding: [serverRole] },
    who: { display: source.name },
    requestor: false,
    network: { address: source.address, type: '5' },
  });
  if (user) {
    list.push({
      type: {
        coding: [
          coding(
            ROLE,
            facts.direction === 'sends' && facts.action !== 'E' ? 'AUT' : 'IRCP',
            facts.direction === 'sends' && facts.action !== 'E' ? 'author (originator)' : 'information recipient',
          ),
        ],
      },
      who: user.reference ? { reference: user.reference } : { identifier: { value: user.subject } },
      requestor: true,
      ...(facts.purposes?.length
        ? {
            purposeOfUse: facts.purposes.map((purpose) => ({
              coding: [{ system: purpose.slice(0, purpose.lastIndexOf('|')), code: purpose.slice(purpose.lastIndexOf('|') + 1) }],
            })),
          }
        : {}),
    });
  } else list[list.length - 1]!.requestor = true;
  return list;
};

/** Puts facts into BALP form (IHE BALP on R4 AuditEvent). `recorded` is set when the log takes it. */
export const auditEvent = (facts: EventFacts, source: Source): AuditEvent => ({
  resourceType: 'AuditEvent',
  type: TYPES[facts.type],
  ...(facts.subtypes.length > 0 ? { subtype: facts.subtypes.map((name) => SUBTYPES[name]) } : {}),
  action: facts.action,
  recorded: '',
  outcome: facts.outcome ?? '0',
  ...(facts.outcomeDesc ? { outcomeDesc: facts.outcomeDesc } : {}),
  agent: agents(facts, source),
  source: {
    observer: { display: source.name },
    type: [coding('http://terminology.hl7.org/CodeSystem/security-source-type', '4', 'Application Server')],
  },
  entity: [...facts.entities, ...(facts.requestId ? [requestEntity(facts.requestId)] : [])],
});

const role = (code: string, display: string): Coding => coding(OBJECT_ROLE, code, display);
const objectType = coding(ENTITY_TYPE, '2', 'System Object');

export const patientEntity = (patient: string): AuditEventEntity => ({
  what: { reference: `Patient/${patient}` },
  type: coding(ENTITY_TYPE, '1', 'Person'),
  role: role('1', 'Patient'),
});

export const dataEntity = (reference: string): AuditEventEntity => ({
  what: { reference },
  type: objectType,
  role: role('4', 'Domain Resource'),
});

/** @param raw the query as it came, byte for byte @param understood what of it was used */
export const queryEntity = (raw: string, understood: string): AuditEventEntity => ({
  type: objectType,
  role: role('24', 'Query'),
  query: Buffer.from(raw).toString('base64'),
  ...(understood ? { description: understood } : {}),
});

const requestEntity = (requestId: string): AuditEventEntity => ({
  what: { identifier: { value: requestId } },
  type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' },
});

export interface StudyFacts {
  readonly studyInstanceUid: string;
  readonly sopClasses: readonly string[];
  readonly instanceCount: number;
  readonly accession: string;
}

/** A study as PS3.15 §A.5 describes it, with the R4 extensions for what has no element. */
export const studyEntity = (study: StudyFacts): AuditEventEntity => ({
  extension: [
    ...(study.sopClasses.length > 0
      ? [
          {
            url: `${EXTENSION}SOPClass`,
            valueReference: {
              identifier: { system: 'urn:dicom:uid', value: study.sopClasses.map((uid) => `urn:oid:${uid}`).join(' ') },
            },
          },
        ]
      : []),
    { url: `${EXTENSION}NumberOfInstances`, valueInteger: study.instanceCount },
    ...(study.accession ? [{ url: `${EXTENSION}Accession`, valueIdentifier: { value: study.accession } }] : []),
  ],
  what: {
    identifier: {
      type: { coding: [coding(DCM, '110180', 'Study Instance UID')] },
      system: 'urn:dicom:uid',
      value: `urn:oid:${study.studyInstanceUid}`,
    },
  },
  type: objectType,
  role: role('3', 'Report'),
});

export const consentEntity = (basis: {
  readonly reference: string;
  readonly versionId: string | undefined;
}): AuditEventEntity => ({
  what: { reference: basis.versionId ? `${basis.reference}/_history/${basis.versionId}` : basis.reference },
  type: objectType,
  role: role('4', 'Domain Resource'),
});

/** A job and what ran it: role 20, so that all events of one job are found together. */
export const jobEntity = (job: {
  readonly key: string;
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly inputDigest?: string | undefined;
}): AuditEventEntity => ({
  what: { identifier: { system: 'urn:isthmus:job', value: job.key } },
  type: objectType,
  role: role('20', 'Job'),
  detail: [
    { type: 'model', valueString: `${job.model} ${job.version}` },
    { type: 'modelDigest', valueString: job.digest },
    ...(job.inputDigest ? [{ type: 'inputDigest', valueString: job.inputDigest }] : []),
  ],
});
