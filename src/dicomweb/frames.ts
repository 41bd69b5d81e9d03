import { type FrameRanges, locateFrames } from '../dicom/frames.ts';
import { type DicomJson, numberOf } from '../dicom/json.ts';
import { EXPLICIT_LITTLE_ENDIAN, findTransferSyntax, type TransferSyntax } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import type { InstanceMetadata } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';
import { negotiateFor, type Offer } from './accept.ts';
import type { Context, Handler } from './context.ts';
import type { OutPart } from './multipart-writer.ts';
import { instanceUrl, selectedInstance } from './selected.ts';
import { sendParts, transfer } from './transfer.ts';
import { type ReadValue, valueReader } from './value-bytes.ts';

const MAX_FRAMES = 10_000;
const OCTETS = 'application/octet-stream';
const PIXEL_DATA = ['7FE00010', '7FE00008', '7FE00009'];

/** `1,3,2` → numbers in that order. @throws Fault `malformed` for 0, negatives and text */
const frameNumbers = (text: string): number[] => {
  const parts = text.split(',');
  if (parts.length > MAX_FRAMES || !parts.every((part) => /^[1-9]\d{0,8}$/.test(part)))
    throw new Fault('malformed', 'Frames are named by numbers from 1, separated by commas');
  return parts.map(Number);
};

const readAll = async (bytes: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
};

async function* joined(read: ReadValue, ranges: FrameRanges): AsyncGenerator<Buffer> {
  for (const { start, end } of ranges) yield* read(start, end);
}

export interface Frames {
  readonly syntax: TransferSyntax;
  /** where each of the wanted frames is, in their order */
  readonly located: readonly FrameRanges[];
  readonly read: ReadValue;
}

/**
 * @param wanted numbers from 1; `all` = every frame there is, a video being one
 * @throws Fault `unknown` when the instance has no pixel data or not so many frames
 */
export const findFrames = async (
  studies: Studies,
  { row, json, bulk }: InstanceMetadata,
  wanted: readonly number[] | 'all',
): Promise<Frames> => {
  const syntax = findTransferSyntax(row.transferSyntaxUid)!;
  const pixels = bulk.find((value) => PIXEL_DATA.includes(value.path));
  if (!pixels) throw new Fault('unknown', 'The instance has no pixel data');
  const stored = JSON.parse(json) as DicomJson;
  const isVideo = syntax.frameType.startsWith('video/');
  const dataset = isVideo ? { ...stored, '00280008': { vr: 'IS', Value: [1] } } : stored;
  const count = Math.max(numberOf(dataset, '00280008') ?? 1, 1);
  if (wanted === 'all' && count > MAX_FRAMES) throw new Fault('notAcceptable', `Ask for at most ${MAX_FRAMES} frames at a time`);
  const read = valueReader(studies, row, pixels);
  const located = await locateFrames(
    {
      dataset,
      offset: pixels.offset,
      length: pixels.length,
      objectLength: row.location.length,
      read: (start, end) => readAll(read(start, end)),
    },
    wanted === 'all' ? Array.from({ length: count }, (_, at) => at + 1) : wanted,
  );
  return { syntax, located, read };
};

/** The codestream that is stored, or native pixels; a compressed frame may be asked for as octets, if it may stay as it is. */
export const frameOffers = ({ syntax, located }: Pick<Frames, 'syntax' | 'located'>): Offer[] => {
  const effective = syntax.encapsulated ? syntax.uid : EXPLICIT_LITTLE_ENDIAN;
  const own: Offer = { type: syntax.frameType, multipart: true, syntax: { given: [effective], byDefault: effective } };
  const octets: Offer = { type: OCTETS, multipart: true, syntax: { given: [effective], byDefault: EXPLICIT_LITTLE_ENDIAN } };
  const single = (offer: Offer): Offer[] => (located.length === 1 ? [{ ...offer, multipart: false }] : []);
  return [own, ...single(own), ...(syntax.encapsulated && own.type !== OCTETS ? [octets, ...single(octets)] : [])];
};

/** @param location URL of the part at a place in the list */
const frameParts = ({ syntax, located, read }: Frames, location: (at: number) => string): OutPart[] => {
  const transferSyntax = syntax.encapsulated ? syntax.uid : EXPLICIT_LITTLE_ENDIAN;
  return located.map((ranges, at) => ({
    headers: {
      'Content-Type': `${syntax.frameType};transfer-syntax=${transferSyntax}`,
      'Content-Location': location(at),
    },
    length: ranges.reduce((sum, { start, end }) => sum + end - start, 0),
    body: () => joined(read, ranges),
  }));
};

/** Whatever type it was asked for by, a frame goes out under its own. */
export const sendFrames = (context: Context, found: Frames, offer: Offer, location: (at: number) => string): Promise<void> =>
  // A frame is no whole instance: none counts as sent until all are.
  sendParts(context, { ...offer, type: found.syntax.frameType }, frameParts(found, location), () => {});

/** WADO-RS frames (PS3.18 §10.4.1.1.3): bare frames, native or as the codestream that is stored. */
export const frames: Handler = async (context) => {
  const numbers = frameNumbers(context.path.rest!);
  const { study, found } = await selectedInstance(context);
  const wanted = await findFrames(context.studies, found, numbers);
  const offer = negotiateFor(context.request, frameOffers(wanted));
  const url = `${instanceUrl(context, found.row)}/frames`;
  await transfer(context, { study, rows: [found.row] }, () =>
    sendFrames(context, wanted, offer, (at) => `${url}/${numbers[at]}`),
  );
};
