import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';

export interface MultipartWriter {
  readonly contentType: string;
  /** @param headers in order, e.g. Content-Type */
  readonly part: (headers: Readonly<Record<string, string>>, body: AsyncIterable<Buffer>) => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Waits until the client took what was written; a client that went away ends the writing. */
const write = (response: ServerResponse, bytes: Buffer | string): Promise<void> => {
  if (response.destroyed) return Promise.reject(new ClientGone());
  if (response.write(bytes)) return Promise.resolve();
  return new Promise((resolve, reject) => {
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
};

/** The client closed the connection: nobody is left to tell. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** Parts of a multipart/related answer (PS3.18 §8.6.1.2), each written as it is read. */
export const createMultipartWriter = (response: ServerResponse, partType: string): MultipartWriter => {
  const boundary = randomBytes(18).toString('hex');
  let first = true;
  return {
    contentType: `multipart/related; type="${partType}"; boundary=${boundary}`,
    part: async (headers, body) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const head = `${first ? '' : '\r\n'}--${boundary}\r\n${lines.join('')}\r\n`;
      first = false;
      response.cork();
      process.nextTick(() => response.uncork());
      await write(response, head);
      for await (const chunk of body) await write(response, chunk);
    },
    end: async () => {
      await write(response, `\r\n--${boundary}--\r\n`);
      response.end();
    },
  };
};

export const writeBody = async (response: ServerResponse, body: AsyncIterable<Buffer>): Promise<void> => {
  for await (const chunk of body) await write(response, chunk);
  response.end();
};
