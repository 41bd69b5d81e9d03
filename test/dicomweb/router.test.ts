import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { ROUTES } from '../../src/dicomweb/router.ts';
import { image, type Service, STUDY, startService } from './service.ts';

const CONCRETE = ROUTES.map(({ path, methods }) => ({
  path: path
    .replace(':study', STUDY)
    .replace(':series', `${STUDY}.1`)
    .replace(':instance', `${STUDY}.1.1`)
    .replace(':frames', '1')
    .replace('*path', '7FE00010'),
  methods: Object.keys(methods),
}));

interface Raw {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request line as it is, without the tidying of a URL parser. */
const raw = (service: Service, method: string, path: string, headers: Record<string, string> = {}): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest({ port: service.port, host: '127.0.0.1', method, path, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode!, headers: response.headers, text });
    });
    outgoing.on('error', reject).end();
  });

test('DW-86 OPTIONS tells the capabilities, made from the route table', async (t) => {
  const service = await startService(t);
  const response = await service.ask('/', { method: 'OPTIONS', token: '' });
  assert.equal(response.status, 200);
  const { service: root, resources } = (await response.json()) as {
    service: string;
    resources: { path: string; methods: string[] }[];
  };
  assert.equal(root, 'https://isthmus.example/dicom-web');
  assert.deepEqual(
    resources.map(({ path }) => path),
    ROUTES.map(({ path }) => path),
  );
  assert.deepEqual(resources[0]!.methods, ['GET', 'HEAD', 'POST']);
});

test('DW-83 methods that a resource does not know are 405 with Allow', async (t) => {
  const service = await startService(t);
  for (const { path, methods } of CONCRETE)
    for (const method of ['PUT', 'DELETE', 'PATCH', 'POST', 'OPTIONS'].filter((one) => !methods.includes(one))) {
      const response = await service.ask(path, { method });
      assert.equal(response.status, 405, `${method} ${path}`);
      assert.equal(response.headers.get('allow'), methods.join(', '));
    }
});

test('AT-59 every route asks for a token, whatever its spelling', async (t) => {
  const service = await startService(t);
  await service.stow([image()]);
  const paths = CONCRETE.filter(({ methods }) => methods.includes('GET')).map(({ path }) => `/dicom-web${path}`);
  for (const path of paths)
    for (const [method, spelling] of [
      ['GET', path],
      ['HEAD', path],
      ['GET', `${path}/`],
      ['GET', path.replace('/studies', '/%73tudies')],
    ] as const) {
      const { status, headers } = await raw(service, method, spelling);
      assert.equal(status, 401, `${method} ${spelling}`);
      assert.equal(headers['www-authenticate'], 'Bearer');
    }
  for (const authorization of [
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    'Bearer wrong',
    'bearer all all',
    'all',
    `Bearer ${'a'.repeat(5000)}`,
  ])
    assert.equal((await raw(service, 'GET', '/dicom-web/studies', { Authorization: authorization })).status, 401);
  const spellings = [
    '//studies',
    '/Studies',
    '/studies/../studies',
    '/studies.',
    '/studies;x=1',
    '/studies%2F',
    '/',
    '',
    '/frames/1',
  ];
  for (const path of spellings) {
    const { status, text } = await raw(service, 'GET', `/dicom-web${path}`, { Authorization: 'Bearer all' });
    assert.ok(status === 404 || status === 400, `${path} ${status}`);
    assert.ok(!text.includes('DOE'));
  }
});

test('DW-82 what no route names is 404, a path that can not be decoded is 400, both on record', async (t) => {
  const service = await startService(t);
  const headers = { Authorization: 'Bearer all' };
  for (const path of [
    '/rendered',
    `/studies/${STUDY}/rendered`,
    `/studies/${STUDY}/thumbnail`,
    '/workitems',
    '/studies/1.2/series/1.2/instances',
  ])
    assert.notEqual((await raw(service, 'GET', `/dicom-web${path}`, headers)).status, 500, path);
  const missing = await raw(service, 'GET', `/dicom-web/studies/${STUDY}/rendered`, headers);
  assert.equal(missing.status, 404);
  service.events.length = 0;
  const broken = await raw(service, 'GET', '/dicom-web/studies/%zz/metadata', headers);
  assert.equal(broken.status, 400);
  assert.equal(broken.headers['content-type'], 'application/json');
  assert.deepEqual(
    service.events.map(({ verb, status }) => [verb, status]),
    [['refused', 400]],
  );
});

test('DW-86 AT-56 CORS: preflight before the token, only for configured origins, nothing echoed', async (t) => {
  const service = await startService(t, { corsOrigins: ['https://viewer.example'] });
  const preflight = (origin: string, path = '/studies') =>
    raw(service, 'OPTIONS', `/dicom-web${path}`, {
      Origin: origin,
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': 'authorization',
    });
  for (const path of ['/studies', `/studies/${STUDY}/metadata`, '/']) {
    const allowed = await preflight('https://viewer.example', path);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers['access-control-allow-origin'], 'https://viewer.example');
    assert.match(String(allowed.headers['access-control-allow-headers']), /authorization/);
    assert.match(String(allowed.headers.vary), /Origin/);
  }
  assert.match(String((await preflight('https://viewer.example')).headers['access-control-allow-methods']), /GET, HEAD, POST/);
  for (const origin of ['null', 'https://evil.example', 'https://viewer.example.evil.example', 'http://viewer.example']) {
    const refused = await preflight(origin);
    assert.equal(refused.headers['access-control-allow-origin'], undefined, origin);
    assert.equal(refused.headers['access-control-allow-methods'], undefined);
  }
  const get = await raw(service, 'GET', '/dicom-web/studies', { Authorization: 'Bearer all', Origin: 'https://viewer.example' });
  assert.equal(get.headers['access-control-allow-origin'], 'https://viewer.example');
  assert.equal(get.headers['access-control-allow-credentials'], undefined);
  for (const name of ['Content-Location', 'Warning', 'ETag'])
    assert.ok(String(get.headers['access-control-expose-headers']).includes(name));
  const unauthenticated = await raw(service, 'GET', '/dicom-web/studies', { Origin: 'https://viewer.example' });
  assert.equal(
    unauthenticated.headers['access-control-allow-origin'],
    'https://viewer.example',
    'a browser app can read the 401',
  );
});

test('AT-53 answers are private and depend on the token', async (t) => {
  const service = await startService(t);
  await service.stow([image()]);
  for (const { path } of CONCRETE.filter(({ methods }) => methods.includes('GET'))) {
    const { headers } = await service.ask(path);
    assert.match(headers.get('cache-control')!, /private/, path);
    assert.match(headers.get('vary')!, /Authorization/, path);
  }
});

test('AU-16 X-Request-Id is taken or made, echoed, and on record', async (t) => {
  const service = await startService(t);
  const given = await service.ask('/studies', { headers: { 'X-Request-Id': 'abc-1.2_3' } });
  assert.equal(given.headers.get('x-request-id'), 'abc-1.2_3');
  assert.equal(service.events.at(-1)!.request.requestId, 'abc-1.2_3');
  for (const hostile of ['a b', '"', 'x'.repeat(65)]) {
    const made = await service.ask('/studies', { headers: { 'X-Request-Id': hostile } });
    assert.match(made.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/);
  }
  const refused = await service.ask('/studies/1.2.3', { headers: { 'X-Request-Id': 'gone-1' } });
  assert.equal(((await refused.json()) as { requestId: string }).requestId, 'gone-1');
});

test('AU-16 every refusal is on record, with what is known of the asker and no path', async (t) => {
  const service = await startService(t);
  await service.ask('/studies', { token: '' });
  await service.ask('/studies', { token: 'other' });
  await service.ask(`/studies/${STUDY}`);
  await service.ask('/studies?PatientName=SECRET&nonsense=1');
  await service.ask('/studies', { method: 'PUT' });
  assert.deepEqual(
    service.events.map(({ status, reason, request }) => [status, reason, request.principal?.subject, request.route]),
    [
      [401, 'unauthenticated', undefined, '/studies'],
      [403, 'scopeDenied', 'other', '/studies'],
      [404, 'unknown', 'all', '/studies/:study'],
      [400, 'badParameter', 'all', '/studies'],
      [405, 'notAllowed', undefined, '/studies'],
    ],
  );
  assert.ok(service.events.every(({ request }) => request.address.endsWith('127.0.0.1')));
});

test('AU-16 a refusal that can not be recorded is 503', async (t) => {
  const service = await startService(t);
  service.refuseRecord = () => true;
  const response = await service.ask('/studies', { token: '' });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '30');
});

test('DW-31 a bug shows as 500 with a request id and nothing else; the log has no message of it', async (t) => {
  const service = await startService(t);
  await service.stow([image()]);
  service.breakAfter = () => 0;
  const response = await service.ask(`/studies/${STUDY}`);
  const { requestId, ...report } = (await response.json()) as { requestId: string };
  assert.deepEqual(report, { status: 500, code: 'bug', message: 'Internal error' });
  assert.ok(service.logged.some(({ fields }) => fields.requestId === requestId && fields.error instanceof Error));
});
