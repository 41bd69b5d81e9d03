import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import express from 'express';
import { multipart } from '../../demo/client.ts';
import { createGate } from '../../src/access/create-gate.ts';
import type { Principal } from '../../src/access/principal.ts';
import { parseScope } from '../../src/access/scopes.ts';
import { openStores } from '../../src/compose/storage.ts';
import { writePart10 } from '../../src/dicom/write.ts';
import type { DicomKeywords } from '../../src/dicom/write-check.ts';
import type { DicomwebAudit, RequestFacts, StudyAccess } from '../../src/dicomweb/audit-port.ts';
import { createDicomweb } from '../../src/dicomweb/router.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { loadConfig } from '../../src/kernel/config.ts';
import type { LogFields } from '../../src/kernel/log.ts';
import { createStudies } from '../../src/studies/create.ts';
import type { InstanceRow } from '../../src/studies/ports.ts';
import type { Studies } from '../../src/studies/service.ts';
import { temporaryFolder } from '../harness.ts';

export interface Recorded {
  readonly verb: keyof DicomwebAudit;
  readonly request: RequestFacts;
  readonly access?: StudyAccess;
  readonly found?: readonly StudyAccess[];
  readonly status?: number;
  readonly reason?: string;
  readonly isNew?: boolean;
}

export interface Service {
  readonly url: string;
  readonly port: number;
  readonly events: Recorded[];
  readonly logged: { message: string; fields: LogFields }[];
  /** logical ids of patients that consent hides from now on */
  readonly hidden: string[];
  readonly ask: (path: string, init?: RequestInit & { token?: string; accept?: string }) => Promise<Response>;
  readonly rows: (path: string, token?: string) => Promise<Row[]>;
  readonly stow: (objects: readonly Buffer[], study?: string, token?: string) => Promise<Response>;
  /** makes reading an object fail behind this many bytes; undefined = all are whole */
  breakAfter: ((row: InstanceRow) => number | undefined) | undefined;
  /** makes reading datasets end behind this many: with an error, or as if there were no more */
  cutMetadata: { readonly after: number; readonly silently: boolean } | undefined;
  /** the audit log refuses what this says */
  refuseRecord: ((verb: keyof DicomwebAudit) => boolean) | undefined;
}

export type Row = Record<string, { vr: string; Value?: unknown[] }>;

const TOKENS: Readonly<Record<string, readonly string[]>> = {
  all: ['system/*.cruds'],
  search: ['user/ImagingStudy.s'],
  read: ['user/ImagingStudy.r'],
  create: ['system/ImagingStudy.c'],
  update: ['system/ImagingStudy.u'],
  other: ['user/Observation.cruds'],
};

/** `all`, `read` …, or `patient~ID` for a token confined to one patient. */
const principalOf = (token: string): Principal | undefined => {
  const [name, patient] = token.split('~');
  const scopes = patient === undefined ? TOKENS[name!] : ['patient/*.cruds'];
  return (
    scopes && {
      subject: name!,
      clientId: 'client',
      fhirUser: undefined,
      scopes: scopes.map((scope) => parseScope(scope)!),
      patient,
      purposes: [],
      actors: [],
      tokenTail: token,
    }
  );
};

/** The front end on a real HTTP server, over the real studies room on SQLite; only tokens, consents and the log are the test's. */
export const startService = async (t: TestContext, settings: { stowMaxBytes?: number; corsOrigins?: string[] } = {}) => {
  const { config } = loadConfig({ ISTHMUS_DATA: await temporaryFolder(t) }, join('/nowhere', 'isthmus.config.json'));
  const stores = await openStores(config, systemClock);
  const studies = createStudies({ blobs: stores.packs, index: stores.index, transactor: stores.database, onStored: () => {} });
  const service: Partial<Service> & Pick<Service, 'events' | 'logged' | 'hidden'> = { events: [], logged: [], hidden: [] };
  const http = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  const { port } = http.address() as AddressInfo;
  const baseUrl = 'https://isthmus.example';
  const line = (message: string, fields: LogFields = {}): void => void service.logged.push({ message, fields });
  const app = express().use(
    '/dicom-web',
    createDicomweb({
      studies: breakable(studies, () => service),
      gate: createGate({
        tokens: { principalOf: async (token) => principalOf(token) },
        consents: {
          standing: async () => ({
            implicitlyPermitted: true,
            hidden: [...service.hidden],
            permitted: [],
            mixed: new Set<string>(),
            judge: () => assertNever(),
          }),
          decide: async () => assertNever(),
        },
        ownActors: [],
        matches: () => true,
      }),
      audit: recorder(service.events, () => service.refuseRecord),
      log: { debug: line, info: line, warn: line, error: line },
      config: { baseUrl, stowMaxBytes: settings.stowMaxBytes ?? 2 ** 26, corsOrigins: settings.corsOrigins ?? [] },
    }),
  );
  http.on('request', app);
  t.after(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
    await stores.packs.close();
    await stores.database.close();
  });
  return Object.assign(service, calls(`http://127.0.0.1:${port}/dicom-web`), { port }) as Service;
};

const assertNever = (): never => {
  throw new Error('no consent is asked in these tests');
};

const calls = (url: string): Pick<Service, 'url' | 'ask' | 'rows' | 'stow'> => {
  const ask: Service['ask'] = (path, { token = 'all', accept, ...init } = {}) =>
    fetch(url + path, {
      ...init,
      headers: {
        ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
        ...(accept === undefined ? {} : { Accept: accept }),
        ...(init.headers as Record<string, string> | undefined),
      },
    });
  return {
    url,
    ask,
    rows: async (path, token = 'all') => {
      const response = await ask(path, { token });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      return (await response.json()) as Row[];
    },
    stow: (objects, study, token = 'all') => {
      const { contentType, body } = multipart(objects);
      return ask(`/studies${study ? `/${study}` : ''}`, {
        method: 'POST',
        token,
        headers: { 'Content-Type': contentType },
        body: new Uint8Array(body),
      });
    },
  };
};

const breakable = (studies: Studies, service: () => Partial<Service>): Studies => ({
  ...studies,
  metadata: async function* (selection, restriction) {
    const { cutMetadata: cut } = service();
    let given = 0;
    for await (const found of studies.metadata(selection, restriction)) {
      if (given++ === cut?.after) {
        if (cut.silently) return;
        throw new Error('the disk lost a sector');
      }
      yield found;
    }
  },
  bytes: async function* (row, start, end) {
    const allowed = service().breakAfter?.(row);
    let given = 0;
    for await (const chunk of studies.bytes(row, start, end)) {
      if (allowed !== undefined && given + chunk.length > allowed) {
        if (allowed > given) yield chunk.subarray(0, allowed - given);
        throw new Error('the disk lost a sector');
      }
      given += chunk.length;
      yield chunk;
    }
  },
});

const recorder = (events: Recorded[], refuses: () => Service['refuseRecord']): DicomwebAudit => {
  const keep = async (event: Recorded): Promise<void> => {
    if (refuses()?.(event.verb)) throw new Error('the log is full');
    events.push(event);
  };
  return {
    queried: (request, _query, found) => keep({ verb: 'queried', request, found }),
    retrieved: (request, access) => keep({ verb: 'retrieved', request, access }),
    interrupted: (request, access) => keep({ verb: 'interrupted', request, access }),
    stored: (request, access, isNew) => keep({ verb: 'stored', request, access, isNew }),
    refused: (request, status, reason) => keep({ verb: 'refused', request, status, reason }),
  };
};

export const STUDY = '1.2.826.0.1.3680043.8.498.1';
export const CT = '1.2.840.10008.5.1.4.1.1.2';

/** A small CT image; keywords given go over the defaults. */
export const image = (keywords: DicomKeywords = {}): Buffer => {
  const study = (keywords.StudyInstanceUID as string | undefined) ?? STUDY;
  const series = (keywords.SeriesInstanceUID as string | undefined) ?? `${study}.1`;
  const number = (keywords.InstanceNumber as number | undefined) ?? 1;
  return writePart10({
    SOPClassUID: CT,
    SOPInstanceUID: `${series}.${number}`,
    StudyInstanceUID: study,
    SeriesInstanceUID: series,
    PatientID: 'P-1',
    PatientName: 'DOE^JANE',
    PatientBirthDate: '19700101',
    PatientSex: 'F',
    StudyDate: '20240115',
    StudyTime: '103000',
    AccessionNumber: 'A-1',
    ReferringPhysicianName: 'HOUSE^GREG',
    StudyID: 'S1',
    StudyDescription: 'CHEST',
    Modality: 'CT',
    SeriesNumber: 1,
    SeriesDescription: 'AXIAL',
    InstanceNumber: number,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: 16,
    Columns: 16,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    PixelData: Buffer.alloc(512, number),
    ...keywords,
  });
};
