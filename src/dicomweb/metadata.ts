import { Fault } from '../kernel/fault.ts';
import { negotiate } from './accept.ts';
import type { Context, Handler } from './context.ts';
import { writeBody } from './multipart-writer.ts';
import { JSON_OFFERS } from './qido.ts';
import { accessOf, factsOf } from './request-facts.ts';
import { metadataOf, selected } from './selected.ts';

/** Absolute bulk data URIs. A quote inside a JSON string is escaped, so this text can only be a key of ours. */
const withBulkDataUris = (json: string, instanceUrl: string): string =>
  json.replaceAll('"BulkDataURI":"', `"BulkDataURI":"${instanceUrl}/bulkdata/`);

async function* texts(context: Context): AsyncGenerator<Buffer> {
  let separator = '[';
  for await (const { row, json } of metadataOf(context)) {
    const url = `${context.root}/studies/${row.studyInstanceUid}/series/${row.seriesInstanceUid}/instances/${row.sopInstanceUid}`;
    yield Buffer.from(separator + withBulkDataUris(json, url));
    separator = ',';
  }
  yield Buffer.from(separator === '[' ? '[]' : ']');
}

/** WADO-RS metadata (PS3.18 §10.4.1.1.2): the stored DICOM JSON texts, put together, never parsed again. */
export const metadata: Handler = async (context) => {
  const { request, response, audit } = context;
  const query = new URL(request.url, 'http://localhost').searchParams.get('accept') ?? undefined;
  negotiate(request.headers.accept, query, JSON_OFFERS);
  const { study, rows } = await selected(context);
  const etag = `"${study.revision}.${rows.length}"`;
  response.setHeader('ETag', etag);
  await audit.retrieved(factsOf(context), accessOf(study, rows));
  if (request.headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag || tag.trim() === `W/${etag}`)) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'Content-Type': 'application/dicom+json' });
  if (request.method === 'HEAD') return void response.end();
  try {
    await writeBody(response, texts(context));
  } catch (error) {
    if (error instanceof Fault) context.log.error('metadata broke off', { requestId: context.requestId, error });
    response.destroy();
  }
};
