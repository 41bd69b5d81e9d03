import { Fault } from '../kernel/fault.ts';
import type { InstanceMetadata, InstanceRow } from '../studies/ports.ts';
import { negotiateFor, type Offer } from './accept.ts';
import type { Context, Handler } from './context.ts';
import { writeBody } from './multipart-writer.ts';
import { accessOf, factsOf } from './request-facts.ts';
import { instanceUrl, selected } from './selected.ts';
import { transfer } from './transfer.ts';

/** A client that asks for plain JSON gets the DICOM JSON model too. */
export const JSON_OFFERS: readonly Offer[] = [
  { type: 'application/dicom+json', multipart: false },
  { type: 'application/json', multipart: false },
];

/**
 * Bulk data by absolute URL. Only a key of the JSON model can be spelled so: within a value a quote is escaped, and keys of
 * attributes are tags.
 */
export const withBulkDataUrls = (json: string, url: string): string =>
  json.replaceAll('"BulkDataURI":"', () => `"BulkDataURI":"${url}/bulkdata/`);

async function* texts(
  context: Context,
  datasets: AsyncGenerator<InstanceMetadata>,
  rows: readonly InstanceRow[],
  onSent: () => void,
): AsyncGenerator<Buffer> {
  const wanted = new Set(rows.map((row) => row.sopInstanceUid));
  let [separator, left] = ['[', rows.length];
  for await (const { row, json } of datasets) {
    // What arrived since the record was made is not on it.
    if (!wanted.has(row.sopInstanceUid)) continue;
    yield Buffer.from(separator + withBulkDataUrls(json, instanceUrl(context, row)));
    separator = ',';
    left--;
    onSent();
  }
  if (left > 0) throw new Fault('busy', 'The study changed while it was read');
  yield Buffer.from(']');
}

/** WADO-RS metadata (PS3.18 §10.4.1.1.2): the stored DICOM JSON texts, put together, never parsed again. */
export const metadata: Handler = async (context) => {
  const { request, response, audit } = context;
  negotiateFor(request, JSON_OFFERS);
  const { study, rows, metadata: datasets } = await selected(context);
  const etag = `"${study.revision}.${rows.length}"`;
  response.setHeader('ETag', etag);
  if (request.headers['if-none-match']?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) {
    await audit.retrieved(factsOf(context), accessOf(study, rows));
    response.writeHead(304).end();
    return;
  }
  await transfer(context, { study, rows }, async (onSent) => {
    const begin = (): void => {
      if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/dicom+json' });
    };
    if (request.method === 'HEAD') begin();
    else await writeBody(response, '', texts(context, datasets(), rows, onSent), begin);
    response.end();
  });
};
