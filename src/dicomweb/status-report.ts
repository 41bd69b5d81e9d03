import type { ServerResponse } from 'node:http';
import type { Fault } from '../kernel/fault.ts';

/** A fault as PS3.18 asks: a status with a body that says what is wrong (§8.7, Status Report), never a page, never a stack. */
export const sendFault = (response: ServerResponse, fault: Fault, requestId: string): void => {
  const { retryAfterSeconds, allow } = fault.details;
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(retryAfterSeconds));
  if (allow) response.setHeader('Allow', allow.join(', '));
  if (fault.code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  const body = JSON.stringify({ status: fault.status, code: fault.code, message: fault.message, requestId });
  response.writeHead(fault.status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
};
