import { EXPLICIT_LITTLE_ENDIAN } from '../dicom/transfer-syntax.ts';
import { negotiateFor, type Offer } from './accept.ts';
import type { Handler } from './context.ts';
import { commonSyntaxes, instancePart } from './representation.ts';
import { selected } from './selected.ts';
import { sendParts, transfer } from './transfer.ts';

/**
 * WADO-RS study, series, instance (PS3.18 §10.4): streamed, never an object in memory. One that names application/dicom and no
 * transfer syntax asks for Explicit VR Little Endian (PS3.18 §8.7.3.5.2).
 */
export const retrieve: Handler = async (context) => {
  const { studies, path } = context;
  const { study, rows } = await selected(context);
  const syntax = { given: commonSyntaxes(rows), byDefault: EXPLICIT_LITTLE_ENDIAN };
  const several: Offer = { type: 'application/dicom', multipart: true, syntax };
  const offer = negotiateFor(
    context.request,
    path.instance === undefined ? [several] : [several, { ...several, multipart: false }],
  );
  const parts = rows.map((row) => instancePart(studies, row));
  await transfer(context, { study, rows }, (onSent) => sendParts(context, offer, parts, onSent));
};
