import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault } from '../kernel/fault.ts';

const LINGER_MS = 2000;

/**
 * Lets a client that is still sending come to its end, for a moment: closing at once would reset the connection, and the client
 * would not read why it was refused (RFC 9112 §9.6).
 */
const lingered = (request: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, LINGER_MS);
    request.once('end', done).once('close', done).resume();
  });

const authenticateHeader = (fault: Fault): string | undefined => {
  if (fault.code === 'unauthenticated') return 'Bearer';
  return fault.code === 'scopeDenied' ? 'Bearer error="insufficient_scope"' : undefined;
};

/** A fault as PS3.18 asks: a status with a body that says what is wrong (§8.7, Status Report), never a page, never a stack. */
export const sendFault = async (
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
  requestId: string,
): Promise<void> => {
  const { retryAfterSeconds, allow } = fault.details;
  const challenge = authenticateHeader(fault);
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(retryAfterSeconds));
  if (allow) response.setHeader('Allow', allow.join(', '));
  if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge);
  response.removeHeader('ETag');
  const isSending = !request.complete && !request.destroyed;
  if (isSending) response.setHeader('Connection', 'close');
  const body = JSON.stringify({ status: fault.status, code: fault.code, message: fault.message, requestId });
  response.writeHead(fault.status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  if (isSending) {
    response.write(body);
    await lingered(request);
    response.end();
  } else response.end(body);
};
