import { patientsOf } from '../access/create-gate.ts';
import { Fault } from '../kernel/fault.ts';
import { newId } from '../kernel/ids.ts';
import type { Tx } from '../kernel/transaction.ts';
import { type Context, type Handler, InvalidResource } from './context.ts';
import { extractIndexValues } from './extract.ts';
import { sendResource, visibleResource } from './read.ts';
import type { AnyResource, StoredResource } from './store.ts';
import { validate } from './validate.ts';

const JSON_TYPES = /^application\/(fhir\+json|json)\s*(;|$)/i;

/** @throws Fault `unsupportedMedia`, `tooLarge`, `malformed` */
export const readBody = async ({ request, config }: Pick<Context, 'request' | 'config'>): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > config.maxBytes) throw new Fault('tooLarge', `A request may hold ${config.maxBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new Fault('malformed', 'The body is not UTF-8');
  }
};

const parseResource = async (context: Context): Promise<{ resource: AnyResource; text: string }> => {
  if (!JSON_TYPES.test(context.request.headers['content-type'] ?? ''))
    throw new Fault('unsupportedMedia', 'Resources are taken as application/fhir+json');
  const text = await readBody(context);
  let resource: AnyResource;
  try {
    resource = JSON.parse(text) as AnyResource;
  } catch {
    throw new Fault('malformed', 'The body is not JSON');
  }
  if (typeof resource !== 'object' || resource === null || Array.isArray(resource) || resource.resourceType !== context.type) {
    throw new Fault('malformed', 'The resource is not of the type that the URL names');
  }
  return { resource, text };
};

/** Index, compartments and gate see one resource, whatever the client put around it. */
const checked = async (
  context: Context,
  resource: AnyResource & { readonly id: string },
  interaction: 'c' | 'u',
): Promise<void> => {
  const issues = validate(resource);
  if (issues.length > 0) throw new InvalidResource(issues);
  context.checkWrite(resource);
  const view = await context.view(interaction);
  const patients = [...new Set([...extractIndexValues(resource).patients, ...patientsOf(resource)])];
  if (!view.admits(resource, patients)) throw new Fault('scopeDenied', 'The token may not write such a resource');
};

/** Puts the id into the text without parsing numbers anew. */
const withId = (text: string, id: string): string => {
  const exact = JSON.parse(text, (_key, value: unknown, source?: { source?: string }) =>
    typeof value === 'number' && source?.source !== undefined && source.source !== String(value)
      ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source.source)
      : value,
  ) as Record<string, unknown>;
  const { resourceType, id: _, ...rest } = exact;
  return JSON.stringify({ resourceType, id, ...rest });
};

const answer = (context: Context, stored: StoredResource, created: boolean): void => {
  const { request, response, base } = context;
  const location = `${base}/${stored.type}/${stored.id}/_history/${stored.versionId}`;
  const headers = created ? { Location: location } : {};
  if (!/return=minimal/.test(String(request.headers.prefer ?? ''))) {
    sendResource(context, stored, created ? 201 : 200, headers);
    return;
  }
  response.writeHead(created ? 201 : 200, {
    ...headers,
    ETag: `W/"${stored.versionId}"`,
    'Last-Modified': new Date(stored.updated).toUTCString(),
    'Content-Length': 0,
  });
  response.end();
};

const store = (context: Context, resource: AnyResource & { readonly id: string }, text: string, ifMatch?: string) =>
  context.transactor.transaction((tx: Tx) => context.store.write(tx, resource, { text: withId(text, resource.id), ifMatch }));

/** R4 create (http.html#create): the id is the server's. */
export const create: Handler = async (context) => {
  await context.view('c');
  const { resource, text } = await parseResource(context);
  if (context.request.headers['if-none-exist'] !== undefined)
    throw new Fault('precondition', 'Conditional create is not available');
  const named = { ...resource, id: newId() };
  await checked(context, named, 'c');
  const { stored } = await store(context, named, text);
  await context.audit.written(context.facts, stored, true);
  answer(context, stored, true);
};

const ifMatchOf = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined;
  const version = /^W\/"(\d{1,9})"$/.exec(header.trim())?.[1];
  if (version === undefined) throw new Fault('malformed', 'If-Match names a version as W/"1"');
  return version;
};

/** R4 update (http.html#update), also with an id the client chose. */
export const update: Handler = async (context) => {
  const view = await context.view('u');
  const { resource, text } = await parseResource(context);
  if (resource.id !== context.id) throw new Fault('malformed', 'The id in the body is not the one in the URL');
  await context.beforeRead(context.type);
  const present = await context.store.read(context.type, context.id!);
  if (present && !present.deleted && !(await visibleResource(context, view.restriction)))
    throw new Fault('unknown', 'No such resource');
  await checked(context, resource as AnyResource & { readonly id: string }, 'u');
  const { stored, created } = await store(
    context,
    resource as AnyResource & { readonly id: string },
    text,
    ifMatchOf(context.request.headers['if-match']),
  );
  await context.audit.written(context.facts, stored, created);
  answer(context, stored, created);
};
