import { EXPLICIT_LITTLE_ENDIAN } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import { negotiateFor, type Offer } from './accept.ts';
import type { Handler } from './context.ts';
import { findFrames, frameOffers, sendFrames } from './frames.ts';
import { instanceUrl, selectedInstance } from './selected.ts';
import { sendParts, transfer } from './transfer.ts';
import { valueReader } from './value-bytes.ts';

const OCTETS = 'application/octet-stream';
const syntax = { given: [EXPLICIT_LITTLE_ENDIAN], byDefault: EXPLICIT_LITTLE_ENDIAN };
const OFFERS: readonly Offer[] = [
  { type: OCTETS, multipart: true, syntax },
  { type: OCTETS, multipart: false, syntax },
];

/** One value that metadata names by URL (PS3.18 §10.4.1.1.5); pixel data in fragments comes as its frames, one part each. */
export const bulkdata: Handler = async (context) => {
  const { request, studies, path } = context;
  const { study, found } = await selectedInstance(context);
  const value = found.bulk.find((candidate) => candidate.path === path.rest);
  // Fragments within an item, as an icon may have, are not served.
  if (!value || (value.length === undefined && value.path.includes('/'))) throw new Fault('unknown', 'No such bulk data');
  const location = `${instanceUrl(context, found.row)}/bulkdata/${value.path}`;
  const selection = { study, rows: [found.row] };
  const { length, offset } = value;
  if (length === undefined) {
    const all = await findFrames(studies, found, 'all');
    const offer = negotiateFor(request, frameOffers(all));
    await transfer(context, selection, () => sendFrames(context, all, offer, () => location));
    return;
  }
  const offer = negotiateFor(request, OFFERS);
  const read = valueReader(studies, found.row, value);
  const part = {
    headers: { 'Content-Type': `${OCTETS};transfer-syntax=${EXPLICIT_LITTLE_ENDIAN}`, 'Content-Location': location },
    length,
    body: () => read(offset, offset + length),
  };
  await transfer(context, selection, () => sendParts(context, offer, [part], () => {}));
};
