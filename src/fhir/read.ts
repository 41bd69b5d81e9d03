import { Fault } from '../kernel/fault.ts';
import type { Restriction } from '../kernel/restriction.ts';
import type { Context, Handler } from './context.ts';
import { FHIR_JSON } from './outcome.ts';
import { parseFilters } from './search.ts';
import type { StoredResource } from './store.ts';

const absent = (): Fault => new Fault('unknown', 'No such resource');

/** Whether the reader's own FHIR user record is asked for: a token with `fhirUser` may read exactly that (SMART App Launch 2.2). */
const isOwnUser = ({ principal, type, id }: Context): boolean =>
  principal.fhirUser === `${type}/${id}` && principal.scopes.some((scope) => scope.raw === 'fhirUser');

/** The stored resource, when the view shows it: asked through the same search that lists it, so both can never differ. */
export const visibleResource = async (context: Context, restriction: Restriction): Promise<StoredResource | undefined> => {
  const filters = parseFilters(context.type, restriction.filters, context.base);
  const query = {
    type: context.type,
    criteria: [{ on: 'id', ids: [context.id!] } as const],
    filters,
    sort: [],
    count: 1,
    after: undefined,
  };
  return (await context.store.search(query, restriction)).rows[0];
};

export const sendResource = (
  context: Context,
  stored: StoredResource,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void => {
  const { request, response } = context;
  const etag = `W/"${stored.versionId}"`;
  response.setHeader('ETag', etag);
  response.setHeader('Last-Modified', new Date(stored.updated).toUTCString());
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (
    status === 200 &&
    request.method !== 'PUT' &&
    request.headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag)
  ) {
    response.writeHead(304).end();
    return;
  }
  const body = Buffer.from(stored.text);
  response.writeHead(status, { 'Content-Type': FHIR_JSON, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
};

/** R4 read (http.html#read). */
export const read: Handler = async (context) => {
  const { store, type, id } = context;
  await context.beforeRead(type);
  const stored = isOwnUser(context)
    ? await store.read(type, id!)
    : await visibleResource(context, (await context.view('r')).restriction);
  if (!stored || stored.deleted) throw absent();
  await context.audit.read(context.facts, stored, false);
  sendResource(context, stored, 200);
};

/** R4 vread: an old version is shown to whom the present one is. */
export const vread: Handler = async (context) => {
  const { restriction } = await context.view('r');
  await context.beforeRead(context.type);
  const present = await visibleResource(context, restriction);
  const stored = present && (await context.store.version(context.type, context.id!, context.versionId!));
  if (!stored || stored.deleted) throw absent();
  await context.audit.read(context.facts, stored, true);
  sendResource(context, stored, 200);
};
