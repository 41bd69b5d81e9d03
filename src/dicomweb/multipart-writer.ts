import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** One part of an answer. */
export interface OutPart {
  /** in order, e.g. Content-Type */
  readonly headers: Readonly<Record<string, string>>;
  /** bytes of the body; undefined when it is not known beforehand */
  readonly length: number | undefined;
  readonly body: () => AsyncIterable<Buffer>;
}

interface Sending {
  readonly response: ServerResponse;
  /** HEAD: the same header fields, no bytes */
  readonly bodiless: boolean;
  /** called when a part is out as a whole */
  readonly onSent: () => void;
}

/** The client closed the connection: nobody is left to tell. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** Resolves when the client took enough of what was written; a client that went away ends the writing. */
const taken = (response: ServerResponse): Promise<void> =>
  new Promise((resolve, reject) => {
    const onDrain = (): void => {
      response.off('close', onClose);
      resolve();
    };
    const onClose = (): void => {
      response.off('drain', onDrain);
      reject(new ClientGone());
    };
    response.once('drain', onDrain);
    response.once('close', onClose);
  });

const write = async (response: ServerResponse, bytes: Buffer | string): Promise<void> => {
  if (response.destroyed) throw new ClientGone();
  if (!response.write(bytes)) await taken(response);
};

/**
 * Writes a body behind its head. The status line goes out with the first byte of the body, so that what can not even be begun
 * is answered with an error instead of a cut connection.
 */
export const writeBody = async (
  response: ServerResponse,
  head: string,
  body: AsyncIterable<Buffer>,
  begin: () => void,
): Promise<void> => {
  let pending = head;
  for await (const chunk of body) {
    begin();
    if (pending === '') {
      await write(response, chunk);
      continue;
    }
    // One packet for the head of a part and what follows it.
    response.cork();
    response.write(pending);
    pending = '';
    const flowing = response.write(chunk);
    response.uncork();
    if (response.destroyed) throw new ClientGone();
    if (!flowing) await taken(response);
  }
  begin();
  if (pending !== '') await write(response, pending);
};

const partHead = (boundary: string, { headers }: OutPart, first: boolean): string =>
  `${first ? '' : '\r\n'}--${boundary}\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

/** Parts as multipart/related (PS3.18 §8.6.1.2), each written as it is read; with a Content-Length when every length is known. */
export const sendMultipart = async (
  { response, bodiless, onSent }: Sending,
  partType: string,
  parts: readonly OutPart[],
): Promise<void> => {
  const boundary = randomBytes(18).toString('hex');
  const close = `\r\n--${boundary}--\r\n`;
  let length: number | undefined = Buffer.byteLength(close);
  for (const [at, part] of parts.entries())
    length =
      part.length === undefined || length === undefined
        ? undefined
        : length + part.length + Buffer.byteLength(partHead(boundary, part, at === 0));
  const begin = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, {
      'Content-Type': `multipart/related; type="${partType}"; boundary=${boundary}`,
      ...(length === undefined ? {} : { 'Content-Length': length }),
    });
  };
  if (bodiless) {
    begin();
    response.end();
    return;
  }
  for (const [at, part] of parts.entries()) {
    await writeBody(response, partHead(boundary, part, at === 0), part.body(), begin);
    onSent();
  }
  await write(response, close);
  response.end();
};

/** One part as the whole body. */
export const sendSingle = async ({ response, bodiless, onSent }: Sending, part: OutPart): Promise<void> => {
  const begin = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, {
      ...part.headers,
      ...(part.length === undefined ? {} : { 'Content-Length': part.length }),
    });
  };
  if (bodiless) begin();
  else await writeBody(response, '', part.body(), begin);
  response.end();
  onSent();
};
