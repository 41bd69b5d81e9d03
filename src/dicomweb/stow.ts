import type { IncomingMessage } from 'node:http';
import type { View } from '../access/gate.ts';
import { Fault } from '../kernel/fault.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import type { Reception, StoreResult } from '../studies/service.ts';
import { parseMediaType } from './accept.ts';
import type { StudyAccess } from './audit-port.ts';
import type { Context, Handler } from './context.ts';
import { readMultipart } from './multipart-reader.ts';
import { factsOf } from './request-facts.ts';
import { storeResponse } from './store-response.ts';

const MAX_WARNING_HEADERS = 5;
const DICOM = 'application/dicom';
const CANNOT_UNDERSTAND = 0xc000;

/** Bytes of the body, counted, so that no client sends without end. */
async function* counted(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  // The connection outlives a refusal in the middle of the body: the client is still to hear why.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) throw new Fault('tooLarge', `A store request may hold ${limit} bytes`);
    yield chunk;
  }
}

const granted = async (ask: () => Promise<View>): Promise<View | Fault> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Fault && error.code === 'scopeDenied') return error;
    throw error;
  }
};

const receiveParts = async (context: Context, reception: Reception): Promise<void> => {
  const { request, config } = context;
  const media = parseMediaType(request.headers['content-type'] ?? '');
  const body = counted(request, config.stowMaxBytes);
  if (media?.type === DICOM) return reception.object(body);
  const boundary = media?.parameters.get('boundary');
  if (boundary === undefined || boundary === '') throw new Fault('malformed', 'multipart/related needs a boundary');
  let parts = 0;
  for await (const part of readMultipart(body, boundary)) {
    parts++;
    const type = parseMediaType(part.headers.get('content-type') ?? DICOM)?.type;
    if (type === DICOM || type === 'application/octet-stream') await reception.object(part.body);
    else reception.refuse(CANNOT_UNDERSTAND, 'A part is not of type application/dicom');
  }
  if (parts === 0) throw new Fault('malformed', 'The request holds no part');
};

/** @throws Fault `unsupportedMedia` before anything is read */
const checkContentType = (context: Context): void => {
  const media = parseMediaType(context.request.headers['content-type'] ?? '');
  const { 'content-length': length, 'content-encoding': encoding } = context.request.headers;
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity')
    throw new Fault('unsupportedMedia', 'A store request is taken without a Content-Encoding');
  const inner = media?.parameters.get('type')?.toLowerCase();
  const isMultipart = media?.type === 'multipart/related' && (inner === undefined || inner === DICOM);
  if (media?.type !== DICOM && !isMultipart)
    throw new Fault('unsupportedMedia', 'Store takes multipart/related; type="application/dicom" and application/dicom');
  if (Number(length ?? 0) > context.config.stowMaxBytes)
    throw new Fault('tooLarge', `A store request may hold ${context.config.stowMaxBytes} bytes`);
};

const accessesOf = (results: readonly StoreResult[]): Map<string, StudyAccess & { isNew: boolean }> => {
  const studies = new Map<string, StudyAccess & { isNew: boolean }>();
  for (const result of results) {
    if (result.kind !== 'stored') continue;
    const before = studies.get(result.studyInstanceUid);
    studies.set(result.studyInstanceUid, {
      studyInstanceUid: result.studyInstanceUid,
      imagingStudy: result.imagingStudy,
      patient: result.patient,
      accession: result.accession,
      sopClasses: [...new Set([...(before?.sopClasses ?? []), result.sopClassUid])],
      instanceCount: (before?.instanceCount ?? 0) + 1,
      isNew: (before?.isNew ?? false) || result.studyIsNew,
    });
  }
  return studies;
};

/** STOW-RS (PS3.18 §10.5): one request, one reception, one commit. */
export const stow: Handler = async (context) => {
  const { response, studies, audit, path } = context;
  const [create, update] = [await granted(() => context.view('c')), await granted(() => context.view('u'))];
  if (create instanceof Fault && update instanceof Fault) throw create;
  checkContentType(context);
  const view = create instanceof Fault ? (update as View) : create;
  if (view.restriction.filters) throw new Fault('scopeDenied', 'A scope with a constraint can not be used to store');
  const reception = studies.receive({
    onlyStudy: path.study,
    // Consent does not hinder keeping what care has produced; scope and compartment do.
    restriction: { ...UNRESTRICTED, onlyPatients: view.confinedTo === undefined ? undefined : [view.confinedTo] },
    mayCreate: !(create instanceof Fault),
    mayUpdate: !(update instanceof Fault),
  });
  try {
    await receiveParts(context, reception);
  } catch (error) {
    await reception.abort();
    throw error;
  }
  const results = await reception.commit();
  const facts = factsOf(context);
  for (const { isNew, ...access } of accessesOf(results).values()) await audit.stored(facts, access, isNew);
  const failures = results.filter((result) => result.kind === 'failed').length;
  const { status, body, warnings } = storeResponse(results, context.root);
  if (failures === results.length) await audit.refused(facts, status, 'nothing-stored', path.study);
  for (const warning of warnings.slice(0, MAX_WARNING_HEADERS)) response.appendHeader('Warning', `299 isthmus: "${warning}"`);
  response.writeHead(status, { 'Content-Type': 'application/dicom+json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
};
