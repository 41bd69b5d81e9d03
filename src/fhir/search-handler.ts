import { createHmac, timingSafeEqual } from 'node:crypto';
import { getSearchParameter } from '@medplum/core';
import type { SearchParameter } from '@medplum/fhirtypes';
import { Fault } from '../kernel/fault.ts';
import type { Restriction } from '../kernel/restriction.ts';
import type { Context, Handler } from './context.ts';
import { FHIR_JSON } from './outcome.ts';
import { type ParsedSearch, parseFilters, parseSearch } from './search.ts';
import { paramKey, type ResourceQuery, type StoredResource } from './store.ts';
import { readBody } from './write.ts';

const MAX_INCLUDED = 1000;

const sign = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest().subarray(0, 16);

/** A page cursor is signed, so that only pages that were given out can be asked for. It opens nothing: the gate judges each page anew. */
const seal = (key: Buffer, type: string, values: readonly (string | number)[]): string => {
  const text = JSON.stringify([type, ...values]);
  return `${Buffer.from(text).toString('base64url')}.${sign(key, text).toString('base64url')}`;
};

const open = (key: Buffer, type: string, cursor: string): (string | number)[] => {
  const [body, mac] = cursor.split('.');
  const text = Buffer.from(body ?? '', 'base64url').toString('utf8');
  const given = Buffer.from(mac ?? '', 'base64url');
  if (given.length !== 16 || !timingSafeEqual(given, sign(key, text)))
    throw new Fault('badParameter', 'The page link is not valid');
  const [of, ...values] = JSON.parse(text) as [string, ...(string | number)[]];
  if (of !== type) throw new Fault('badParameter', 'The page link is of another search');
  return values;
};

const entry = (base: string, stored: StoredResource, mode: 'match' | 'include'): string =>
  `{"fullUrl":"${base}/${stored.type}/${stored.id}","resource":${stored.text},"search":{"mode":"${mode}"}}`;

/** The view of another type for included resources; none when the token has no scope for it: those are then left out. */
const viewOf = async (context: Context, type: string): Promise<Restriction | undefined> => {
  try {
    return (await context.view('r', type)).restriction;
  } catch (error) {
    if (error instanceof Fault && error.code === 'scopeDenied') return undefined;
    throw error;
  }
};

const included = async (
  context: Context,
  parsed: ParsedSearch,
  matches: readonly StoredResource[],
): Promise<StoredResource[]> => {
  const found = new Map<string, StoredResource>();
  const keep = (resource: StoredResource): void => {
    if (found.size < MAX_INCLUDED && !matches.some((match) => match.type === resource.type && match.id === resource.id))
      found.set(`${resource.type}/${resource.id}`, resource);
  };
  for (const { type, code, target } of parsed.include) {
    if (type !== context.type) continue;
    const targets = new Map<string, Set<string>>();
    for (const match of matches) {
      for (const reference of referencesOf(match, type, code)) {
        const [of, id] = reference.split('/') as [string, string];
        if (target === undefined || target === of) targets.set(of, (targets.get(of) ?? new Set()).add(id));
      }
    }
    for (const [of, ids] of targets) {
      const restriction = await viewOf(context, of);
      if (!restriction) continue;
      const query: ResourceQuery = {
        type: of,
        criteria: [{ on: 'id', ids: [...ids] }],
        filters: parseFilters(of, restriction.filters, context.base),
        sort: [],
        count: MAX_INCLUDED,
        after: undefined,
      };
      for (const resource of (await context.store.search(query, restriction)).rows) keep(resource);
    }
  }
  for (const { type, code } of parsed.revinclude) {
    const restriction = await viewOf(context, type);
    if (!restriction || restriction.filters) continue;
    for (const resource of await context.store.referring(type, paramKey(type, code), matches, restriction)) keep(resource);
  }
  return [...found.values()];
};

/** Literal references a resource holds under a reference parameter. */
const referencesOf = (stored: StoredResource, type: string, code: string): string[] => {
  const parameter = getSearchParameter(type, code) as SearchParameter;
  const path = (parameter.expression ?? '')
    .split('|')
    .map((part) => part.trim())
    .find((part) => part.startsWith(`${type}.`))
    ?.replace(/\.where\(.*$/, '')
    .split('.')
    .slice(1);
  let values: unknown[] = [JSON.parse(stored.text)];
  for (const step of path ?? []) values = values.flatMap((value) => (value as Record<string, unknown> | undefined)?.[step] ?? []);
  return values.flatMap(
    (value) => /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}/.exec((value as { reference?: string })?.reference ?? '')?.[0] ?? [],
  );
};

const parametersOf = async (context: Context): Promise<{ pairs: [string, string][]; raw: string }> => {
  const { request } = context;
  const query = new URL(request.url, 'http://localhost').search.slice(1);
  if (request.method !== 'POST') return { pairs: [...new URLSearchParams(query)], raw: query };
  if (!/^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? ''))
    throw new Fault('unsupportedMedia', '_search takes application/x-www-form-urlencoded');
  const form = await readBody(context);
  return {
    pairs: [...new URLSearchParams(query), ...new URLSearchParams(form)],
    raw: [query, form].filter((part) => part !== '').join('&'),
  };
};

const links = (context: Context, parsed: ParsedSearch, next: ResourceQuery['after']): string => {
  const url = (extra: readonly (readonly [string, string])[]): string => {
    const text = new URLSearchParams([...parsed.used, ...extra].map(([name, value]) => [name, value])).toString();
    return `${context.base}/${context.type}${text === '' ? '' : `?${text}`}`;
  };
  const all = [{ relation: 'self', url: url(parsed.cursor === undefined ? [] : [['_cursor', parsed.cursor]]) }];
  if (next) all.push({ relation: 'next', url: url([['_cursor', seal(context.cursorKey, context.type, next)]]) });
  return JSON.stringify(all);
};

/** R4 search (http.html#search) by GET and POST. */
export const search: Handler = async (context) => {
  const { restriction } = await context.view('s');
  const { pairs, raw } = await parametersOf(context);
  const strict = /handling=strict/.test(String(context.request.headers.prefer ?? ''));
  const parsed = parseSearch(context.type, pairs, { strict, base: context.base });
  await context.beforeRead(context.type);
  const query: ResourceQuery = {
    type: context.type,
    criteria: parsed.criteria,
    filters: parseFilters(context.type, restriction.filters, context.base),
    sort: parsed.sort,
    count: parsed.count,
    after: parsed.cursor === undefined ? undefined : open(context.cursorKey, context.type, parsed.cursor),
  };
  const page = parsed.summaryCount ? { rows: [], next: undefined } : await context.store.search(query, restriction);
  const extra = await included(context, parsed, page.rows);
  const isWhole = page.next === undefined && query.after === undefined && !parsed.summaryCount;
  const total = isWhole
    ? page.rows.length
    : parsed.total || parsed.summaryCount
      ? await context.store.count(query, restriction)
      : undefined;
  const hides = restriction.exceptPatients.length > 0 || restriction.mixedPatients.size > 0;
  const patients = [...new Set([...page.rows, ...extra].flatMap((resource) => resource.patients))];
  await context.audit.searched(context.facts, context.type, raw, parsed.used.map(([name]) => name).join(','), patients);
  const entries = [
    ...page.rows.map((row) => entry(context.base, row, 'match')),
    ...extra.map((row) => entry(context.base, row, 'include')),
  ];
  const body = Buffer.from(
    `{"resourceType":"Bundle","type":"searchset"${total === undefined || hides ? '' : `,"total":${total}`},"link":${links(context, parsed, page.next)}${entries.length > 0 ? `,"entry":[${entries.join(',')}]` : ''}}`,
  );
  context.response.writeHead(200, { 'Content-Type': FHIR_JSON, 'Content-Length': body.length });
  context.response.end(context.request.method === 'HEAD' ? undefined : body);
};
