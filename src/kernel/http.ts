import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** X-Request-Id of the client when it is harmless, else a new one; echoed, so that both sides can name the exchange. */
export const requestIdOf = (request: IncomingMessage, response: ServerResponse): string => {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && /^[A-Za-z0-9\-._]{1,64}$/.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', id);
  return id;
};

interface CorsOptions {
  /** origins that may read answers; a token is still needed, cookies are never accepted across origins */
  readonly origins: readonly string[];
  readonly methods: string;
  readonly exposed: string;
}

/**
 * Cross-origin headers for browser apps (Fetch §3.2). Only configured origins are named; none is echoed.
 *
 * @returns true when the request was a preflight and is answered
 */
export const applyCors = (
  request: IncomingMessage,
  response: ServerResponse,
  { origins, methods, exposed }: CorsOptions,
): boolean => {
  const { origin } = request.headers;
  response.appendHeader('Vary', 'Origin');
  if (origin !== undefined && origins.includes(origin)) {
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', exposed);
  }
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  if (origin !== undefined && origins.includes(origin)) {
    response.setHeader('Access-Control-Allow-Methods', methods);
    response.setHeader(
      'Access-Control-Allow-Headers',
      'authorization, content-type, accept, prefer, if-match, if-none-match, if-none-exist, x-request-id',
    );
    response.setHeader('Access-Control-Max-Age', '600');
  }
  response.writeHead(204).end();
  return true;
};
