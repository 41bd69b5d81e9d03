import { locateFrames } from '../dicom/frames.ts';
import type { DicomJson } from '../dicom/json.ts';
import { EXPLICIT_LITTLE_ENDIAN, findTransferSyntax } from '../dicom/transfer-syntax.ts';
import { Fault } from '../kernel/fault.ts';
import type { InstanceMetadata, InstanceRow } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';
import { negotiate, type Offer, parseAccept } from './accept.ts';
import type { Context, Handler } from './context.ts';
import { createMultipartWriter, writeBody } from './multipart-writer.ts';
import { accessOf, factsOf } from './request-facts.ts';
import { selectedInstance } from './selected.ts';

const MAX_FRAMES = 10_000;
const OCTETS = 'application/octet-stream';

/** `1,3,2` → numbers in that order. @throws Fault `malformed` for 0, negatives and text */
const frameNumbers = (text: string): number[] => {
  const parts = decodeURIComponent(text).split(',');
  if (parts.length > MAX_FRAMES || !parts.every((part) => /^[1-9]\d{0,8}$/.test(part)))
    throw new Fault('malformed', 'Frames are named by numbers from 1, separated by commas');
  return parts.map(Number);
};

export const readAll = async (bytes: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
};

/** Bytes of ranges of an object; big endian words are turned round, since frames always go out little endian. */
export async function* rangesOf(
  studies: Studies,
  row: InstanceRow,
  ranges: readonly { start: number; end: number }[],
  swapBytes: number,
): AsyncGenerator<Buffer> {
  for (const { start, end } of ranges) {
    if (swapBytes < 2) yield* studies.bytes(row, start, end);
    else {
      const bytes = Buffer.from(await readAll(studies.bytes(row, start, end)));
      yield swapBytes === 2 ? bytes.swap16() : bytes.swap32();
    }
  }
}

const framesOf = async (studies: Studies, { row, json, bulk }: InstanceMetadata, numbers: readonly number[]) => {
  const syntax = findTransferSyntax(row.transferSyntaxUid)!;
  const pixels = bulk.find((value) => value.path === '7FE00010' || value.path === '7FE00008' || value.path === '7FE00009');
  if (!pixels) throw new Fault('unknown', 'The instance has no pixel data');
  if (syntax.deflated)
    throw new Fault('notAcceptable', 'Frames of a deflated object are not available singly; retrieve the instance');
  const dataset = JSON.parse(json) as DicomJson;
  const located = await locateFrames(
    {
      dataset,
      offset: pixels.offset,
      length: pixels.length,
      objectLength: row.location.length,
      read: (start, end) => readAll(studies.bytes(row, start, end)),
    },
    numbers,
  );
  const bits = Number(dataset['00280100']?.Value?.[0] ?? 8);
  return { located, syntax, swapBytes: syntax.bigEndian ? bits / 8 : 1 };
};

/** WADO-RS frames (PS3.18 §10.4.1.1.3): bare frames, native or as the codestream that is stored. */
export const frames: Handler = async (context) => {
  const { request, response, studies, audit, path } = context;
  const numbers = frameNumbers(path.rest!);
  const { study, found } = await selectedInstance(context);
  const { located, syntax, swapBytes } = await framesOf(studies, found, numbers);
  const { type, multipart } = choose(context, syntax.frameType, syntax.uid, syntax.encapsulated, numbers.length);
  const transferSyntax = syntax.encapsulated ? syntax.uid : EXPLICIT_LITTLE_ENDIAN;
  await audit.retrieved(factsOf(context), accessOf(study, [found.row]));
  const contentType = `${type};transfer-syntax=${transferSyntax}`;
  try {
    if (!multipart) {
      response.writeHead(200, {
        'Content-Type': contentType,
        'Content-Length': located[0]!.reduce((sum, { start, end }) => sum + end - start, 0),
      });
      if (request.method === 'HEAD') return void response.end();
      return await writeBody(response, rangesOf(studies, found.row, located[0]!, swapBytes));
    }
    const writer = createMultipartWriter(response, type);
    response.writeHead(200, { 'Content-Type': writer.contentType });
    if (request.method === 'HEAD') return void response.end();
    const url = `${context.root}/studies/${path.study}/series/${path.series}/instances/${path.instance}/frames`;
    for (const [at, ranges] of located.entries()) {
      await writer.part(
        { 'Content-Type': contentType, 'Content-Location': `${url}/${numbers[at]}` },
        rangesOf(studies, found.row, ranges, swapBytes),
      );
    }
    await writer.end();
  } catch (error) {
    context.log.warn('frames broke off', { requestId: context.requestId, error });
    response.destroy();
  }
};

/** @throws Fault `notAcceptable`: compressed frames are given as they are stored */
const choose = (context: Context, frameType: string, syntaxUid: string, encapsulated: boolean, count: number): Offer => {
  const { request } = context;
  const query = new URL(request.url, 'http://localhost').searchParams.get('accept') ?? undefined;
  const single = count === 1 ? [{ type: frameType, multipart: false }] : [];
  const offers: Offer[] = [
    { type: frameType, multipart: true },
    ...single,
    ...(encapsulated ? [{ type: OCTETS, multipart: true }] : []),
  ];
  const chosen = negotiate(request.headers.accept, query, offers);
  const effective = encapsulated ? syntaxUid : EXPLICIT_LITTLE_ENDIAN;
  const anything = chosen.transferSyntax === '*' || parseAccept(query ?? request.headers.accept ?? '*/*')[0]?.type === '*/*';
  const asked = chosen.transferSyntax ?? (chosen.offer.type === OCTETS ? EXPLICIT_LITTLE_ENDIAN : effective);
  if (!anything && asked !== effective)
    throw new Fault('notAcceptable', `Available here: multipart/related; type="${frameType}"; transfer-syntax=${effective}`);
  return { ...chosen.offer, type: frameType };
};
