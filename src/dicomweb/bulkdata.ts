import { findTransferSyntax } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import { negotiate } from './accept.ts';
import type { Handler } from './context.ts';
import { rangesOf } from './frames.ts';
import { createMultipartWriter, writeBody } from './multipart-writer.ts';
import { accessOf, factsOf } from './request-facts.ts';
import { selectedInstance } from './selected.ts';

const SWAPPED: Readonly<Record<string, number>> = { OW: 2, OF: 4, OL: 4 };
const OFFERS = [
  { type: 'application/octet-stream', multipart: true },
  { type: 'application/octet-stream', multipart: false },
] as const;

/** One value that metadata names by URI (PS3.18 §10.4.1.1.5); pixel data in fragments is fetched by frames. */
export const bulkdata: Handler = async (context) => {
  const { request, response, studies, audit, path } = context;
  const { study, found } = await selectedInstance(context);
  const value = found.bulk.find((candidate) => candidate.path === path.rest);
  const syntax = findTransferSyntax(found.row.transferSyntaxUid)!;
  if (value?.length === undefined || syntax.deflated) throw new Fault('unknown', 'No such bulk data');
  const query = new URL(request.url, 'http://localhost').searchParams.get('accept') ?? undefined;
  const { offer } = negotiate(request.headers.accept, query, OFFERS);
  await audit.retrieved(factsOf(context), accessOf(study, [found.row]));
  const location = `${context.root}/studies/${path.study}/series/${path.series}/instances/${path.instance}/bulkdata/${value.path}`;
  const bytes = () =>
    rangesOf(
      studies,
      found.row,
      [{ start: value.offset, end: value.offset + value.length! }],
      syntax.bigEndian ? (SWAPPED[value.vr] ?? 1) : 1,
    );
  try {
    if (!offer.multipart) {
      response.writeHead(200, { 'Content-Type': offer.type, 'Content-Length': value.length, 'Content-Location': location });
      return request.method === 'HEAD' ? void response.end() : await writeBody(response, bytes());
    }
    const writer = createMultipartWriter(response, offer.type);
    response.writeHead(200, { 'Content-Type': writer.contentType });
    if (request.method === 'HEAD') return void response.end();
    await writer.part({ 'Content-Type': offer.type, 'Content-Location': location }, bytes());
    await writer.end();
  } catch (error) {
    context.log.warn('bulk data broke off', { requestId: context.requestId, error });
    response.destroy();
  }
};
