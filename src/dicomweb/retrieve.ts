import { negotiate, parseAccept } from './accept.ts';
import type { Context, Handler } from './context.ts';
import { ClientGone, createMultipartWriter, writeBody } from './multipart-writer.ts';
import { agreeOn, objectBytes, representationOf } from './representation.ts';
import { accessOf, factsOf } from './request-facts.ts';
import { selected } from './selected.ts';

const MULTIPART = { type: 'application/dicom', multipart: true } as const;
const SINGLE = { type: 'application/dicom', multipart: false } as const;

/** A client that takes anything gets what is stored; one that names application/dicom gets the default syntax (PS3.18 §8.7.3.5.2). */
const askedSyntax = (header: string | undefined, transferSyntax: string | undefined): string | undefined =>
  transferSyntax ?? (parseAccept(header ?? '*/*')[0]?.type === '*/*' ? '*' : undefined);

/** WADO-RS study, series, instance (PS3.18 §10.4): streamed, never an object in memory. */
export const retrieve: Handler = async (context) => {
  const { request, response, audit, path } = context;
  const query = new URL(request.url, 'http://localhost').searchParams.get('accept') ?? undefined;
  const { study, rows } = await selected(context);
  const chosen = negotiate(request.headers.accept, query, path.instance === undefined ? [MULTIPART] : [MULTIPART, SINGLE]);
  agreeOn(rows, askedSyntax(query ?? request.headers.accept, chosen.transferSyntax));
  const access = accessOf(study, rows);
  await audit.retrieved(factsOf(context), access);
  try {
    await send(context, rows, chosen.offer.multipart);
  } catch (error) {
    await audit.interrupted(factsOf(context), access);
    // Part of the answer is out: cutting the connection is the only honest end.
    if (!(error instanceof ClientGone)) context.log.error('a retrieval broke off', { requestId: context.requestId, error });
    response.destroy();
  }
};

const send = async (context: Context, rows: Awaited<ReturnType<typeof selected>>['rows'], multipart: boolean): Promise<void> => {
  const { request, response, studies } = context;
  const partType = (row: (typeof rows)[number]): string =>
    `application/dicom;transfer-syntax=${representationOf(row).transferSyntaxUid}`;
  if (!multipart) {
    const row = rows[0]!;
    const length = representationOf(row).rewritten ? {} : { 'Content-Length': row.location.length };
    response.writeHead(200, { 'Content-Type': partType(row), ...length });
    return request.method === 'HEAD' ? void response.end() : writeBody(response, objectBytes(studies, row));
  }
  const writer = createMultipartWriter(response, 'application/dicom');
  response.writeHead(200, { 'Content-Type': writer.contentType });
  if (request.method === 'HEAD') return void response.end();
  for (const row of rows) await writer.part({ 'Content-Type': partType(row) }, objectBytes(studies, row));
  await writer.end();
};
