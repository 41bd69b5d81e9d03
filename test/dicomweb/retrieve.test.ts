import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { toExplicitLittleEndian } from '../../src/dicom/explicit-little-endian.ts';
import { createHeaderReader } from '../../src/dicom/header.ts';
import { stringifyDataset } from '../../src/dicom/json.ts';
import { withBulkDataUrls } from '../../src/dicomweb/metadata.ts';
import { parts } from '../harness.ts';
import { image, type Row, type Service, STUDY, startService } from './service.ts';

const ROOT = 'https://isthmus.example/dicom-web';
const SERIES = `/studies/${STUDY}/series/${STUDY}.1`;
const INSTANCE = `${SERIES}/instances/${STUDY}.1.1`;
const AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*';
const ELE = '1.2.840.10008.1.2.1';

const filled = async (t: TestContext): Promise<{ service: Service; objects: Buffer[] }> => {
  const service = await startService(t);
  const objects = [image(), image({ InstanceNumber: 2 }), image({ SeriesInstanceUID: `${STUDY}.2`, SeriesNumber: 2 })];
  assert.equal((await service.stow(objects)).status, 200);
  service.events.length = 0;
  return { service, objects };
};

test('DW-2 DW-5 DW-17 DW-42 study, series and instance come back byte for byte, with their length', async (t) => {
  const { service, objects } = await filled(t);
  for (const [path, expected] of [
    [`/studies/${STUDY}`, objects],
    [SERIES, objects.slice(0, 2)],
    [INSTANCE, objects.slice(0, 1)],
  ] as const)
    for (const accept of ['*/*', AS_STORED, 'multipart/related; type="application/dicom"']) {
      const response = await service.ask(path, { accept });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type')!, /^multipart\/related; type="application\/dicom"; boundary=\w+$/);
      const length = Number(response.headers.get('content-length'));
      const found = await parts(response.clone());
      assert.equal((await response.arrayBuffer()).byteLength, length);
      assert.deepEqual(
        found.map(({ headers }) => headers),
        expected.map(() => `Content-Type: application/dicom;transfer-syntax=${ELE}`),
      );
      assert.ok(found.every(({ body }, at) => body.equals(expected[at]!)));
    }
});

test('DW-12 an instance as a single part', async (t) => {
  const { service, objects } = await filled(t);
  const response = await service.ask(INSTANCE, { accept: 'application/dicom' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), `application/dicom;transfer-syntax=${ELE}`);
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(objects[0]!));
  for (const path of [`/studies/${STUDY}`, SERIES]) {
    const refused = await service.ask(path, { accept: 'application/dicom' });
    assert.equal(refused.status, 406);
    assert.match(((await refused.json()) as { message: string }).message, /multipart\/related; type="application\/dicom"/);
  }
});

test('DW-82 unknown is 404, misplaced is 404, ill-formed is 400, hidden is as unknown', async (t) => {
  const { service } = await filled(t);
  const answer = async (path: string, token = 'all') => {
    const response = await service.ask(path, { token });
    const { message } = (await response.json()) as { message: string };
    return { status: response.status, message };
  };
  const unknown = { status: 404, message: 'No such study, series or instance' };
  for (const path of [
    '/studies/1.2.3',
    '/studies/1.2.3/metadata',
    `/studies/${STUDY}/series/1.2.3`,
    `/studies/1.2.3/series/${STUDY}.1`,
    `${SERIES}/instances/1.2.3`,
    `${SERIES}/instances/${STUDY}.2.1`,
    `/studies/${STUDY}/series/${STUDY}.2/instances/${STUDY}.1.1/frames/1`,
    `/studies/1.2.3/series/${STUDY}.1/instances/${STUDY}.1.1/bulkdata/7FE00010`,
  ])
    assert.deepEqual(await answer(path), unknown, path);
  for (const path of [
    '/studies/1.02',
    '/studies/abc',
    '/studies/1..2',
    `/studies/${STUDY}/series/x/metadata`,
    '/studies/1.2%2F3',
  ])
    assert.equal((await answer(path)).status, 400, path);
  assert.deepEqual(await answer(INSTANCE, 'patient~somebody-else'), unknown);
  await service.rows('/studies');
  const { found } = service.events.find(({ verb }) => verb === 'queried')!;
  service.hidden.push(found![0]!.patient);
  for (const suffix of ['', '/metadata', '/frames/1', '/bulkdata/7FE00010'])
    assert.deepEqual(await answer(INSTANCE + suffix), unknown, suffix);
  assert.deepEqual(await answer(`/studies/${STUDY}`), unknown);
});

test('DW-22 DW-57 metadata is the JSON model with absolute bulk data URLs that work', async (t) => {
  const { service, objects } = await filled(t);
  const rows = await service.rows(`/studies/${STUDY}/metadata`);
  assert.equal(rows.length, 3);
  assert.equal((await service.rows(`${SERIES}/metadata`)).length, 2);
  const [row] = await service.rows(`${INSTANCE}/metadata`);
  assert.deepEqual(row!['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'DOE^JANE' }] });
  const uri = (row!['7FE00010'] as unknown as { BulkDataURI: string }).BulkDataURI;
  assert.equal(uri, `${ROOT}${INSTANCE}/bulkdata/7FE00010`);
  const pixels = objects[0]!.subarray(objects[0]!.length - 512);
  for (const accept of ['application/octet-stream', `application/octet-stream; transfer-syntax=${ELE}`]) {
    const single = await service.ask(uri.slice(ROOT.length), { accept });
    assert.equal(single.status, 200);
    assert.equal(single.headers.get('content-location'), uri);
    assert.equal(single.headers.get('content-length'), '512');
    assert.ok(Buffer.from(await single.arrayBuffer()).equals(pixels));
  }
  const several = await service.ask(uri.slice(ROOT.length), { accept: 'multipart/related; type="application/octet-stream"' });
  const [part] = await parts(several);
  assert.equal(part!.headers, `Content-Type: application/octet-stream;transfer-syntax=${ELE}\r\nContent-Location: ${uri}`);
  assert.ok(part!.body.equals(pixels));
  for (const path of ['7FE00011', '00100010', '7fe00010', '7FE00010/1', '60031010/1/60031011'])
    assert.equal((await service.ask(`${INSTANCE}/bulkdata/${path}`)).status, 404, path);
});

test('DW-57 text that looks like a bulk data key is left alone', () => {
  const hostile = { '00081030': { vr: 'LO', Value: ['"BulkDataURI":"', 'BulkDataURI', '","BulkDataURI":"x$&'] } };
  const json = stringifyDataset({ ...hostile, '7FE00010': { vr: 'OW', BulkDataURI: '7FE00010' } });
  assert.deepEqual(JSON.parse(withBulkDataUrls(json, 'https://a/$&')), {
    ...hostile,
    '7FE00010': { vr: 'OW', BulkDataURI: 'https://a/$&/bulkdata/7FE00010' },
  });
});

test('DW-85 metadata has an ETag; the same is 304, a store makes another', async (t) => {
  const { service } = await filled(t);
  const path = `${SERIES}/metadata`;
  const etag = (await service.ask(path)).headers.get('etag')!;
  assert.match(etag, /^"[^"]+"$/);
  for (const value of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const same = await service.ask(path, { headers: { 'If-None-Match': value } });
    assert.equal(same.status, 304);
    assert.equal(same.headers.get('etag'), etag);
    assert.equal(await same.text(), '');
  }
  assert.deepEqual(
    service.events.map(({ verb }) => verb),
    ['retrieved', 'retrieved', 'retrieved', 'retrieved'],
    'telling that nothing changed is an access',
  );
  await service.stow([image({ InstanceNumber: 3 })]);
  const changed = await service.ask(path, { headers: { 'If-None-Match': etag } });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get('etag'), etag);
});

test('DW-58 DW-64 DW-65 frames: order asked, single part, wrong numbers, no pixels', async (t) => {
  const { service } = await filled(t);
  const pixels = Buffer.from(Array.from({ length: 4 * 512 }, (_, at) => at % 251));
  const many = image({ StudyInstanceUID: '1.2.3', NumberOfFrames: 4, PixelData: pixels });
  const report = image({
    StudyInstanceUID: '1.2.3',
    InstanceNumber: 2,
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11',
    PixelData: null,
  });
  assert.equal((await service.stow([many, report])).status, 200);
  const path = '/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1';
  const frame = (number: number) => pixels.subarray((number - 1) * 512, number * 512);
  const found = await parts(await service.ask(`${path}/frames/3,1`));
  assert.equal(found.length, 2);
  assert.ok(found[0]!.body.equals(frame(3)) && found[1]!.body.equals(frame(1)));
  assert.equal(
    found[0]!.headers,
    `Content-Type: application/octet-stream;transfer-syntax=${ELE}\r\nContent-Location: ${ROOT}${path}/frames/3`,
  );
  assert.equal((await parts(await service.ask(`${path}/frames/1%2C2`))).length, 2);
  for (const accept of [
    'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
    'multipart/related; type=application/octet-stream; transfer-syntax=*',
    'multipart/related; type="application/octet-stream"',
    `multipart/related; type="application/octet-stream"; transfer-syntax=${ELE}`,
  ])
    assert.ok((await parts(await service.ask(`${path}/frames/2`, { accept })))[0]!.body.equals(frame(2)), accept);
  const single = await service.ask(`${path}/frames/4`, { accept: 'application/octet-stream' });
  assert.equal(single.headers.get('content-type'), `application/octet-stream;transfer-syntax=${ELE}`);
  assert.ok(Buffer.from(await single.arrayBuffer()).equals(frame(4)));
  const status = async (url: string, accept?: string) => (await service.ask(url, accept === undefined ? {} : { accept })).status;
  assert.equal(await status(`${path}/frames/1,2`, 'application/octet-stream'), 406);
  assert.equal(await status(`${path}/frames/1`, 'multipart/related; type="image/jpeg"'), 406);
  for (const list of ['0', '-1', 'a', '1,', ',1', '1,,2', '1.5', '01', '1e3', '%25', '%20'])
    assert.equal(await status(`${path}/frames/${list}`), 400, list);
  for (const list of ['5', '1,5', '999999999']) assert.equal(await status(`${path}/frames/${list}`), 404, list);
  assert.equal(await status('/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.2/frames/1'), 404);
});

test('AU-16 one record a request, before the first byte, HEAD too', async (t) => {
  const { service } = await filled(t);
  for (const path of [`/studies/${STUDY}`, `${SERIES}/metadata`, `${INSTANCE}/frames/1`, `${INSTANCE}/bulkdata/7FE00010`]) {
    service.events.length = 0;
    const head = await service.ask(path, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
    const get = await service.ask(path);
    await get.arrayBuffer();
    assert.equal(get.headers.get('content-type')!.split('boundary')[0], head.headers.get('content-type')!.split('boundary')[0]);
    assert.equal(get.headers.get('content-length'), head.headers.get('content-length'));
    assert.deepEqual(
      service.events.map(({ verb, request }) => `${verb} ${request.method}`),
      ['retrieved HEAD', 'retrieved GET'],
    );
    const { access } = service.events[0]!;
    assert.deepEqual(
      [access!.studyInstanceUid, access!.accession, access!.instanceCount],
      [STUDY, 'A-1', path.endsWith(STUDY) ? 3 : path === `${SERIES}/metadata` ? 2 : 1],
    );
  }
  service.refuseRecord = (verb) => verb === 'retrieved';
  for (const path of [`/studies/${STUDY}`, `${SERIES}/metadata`, `${INSTANCE}/frames/1`]) {
    const refused = await service.ask(path);
    assert.equal(refused.status, 500);
    assert.ok(!(await refused.text()).includes('DOE'));
  }
});

test('DW-84 what can not be begun is an error, what breaks off is cut, and the record says how far it went', async (t) => {
  const { service, objects } = await filled(t);
  service.breakAfter = () => 0;
  const none = await service.ask(`/studies/${STUDY}`);
  assert.equal(none.status, 500);
  assert.deepEqual(Object.keys((await none.json()) as object), ['status', 'code', 'message', 'requestId']);
  for (const limit of [0, 100]) {
    service.events.length = 0;
    service.breakAfter = (row) => (row.number === 2 ? limit : undefined);
    await assert.rejects(async () => (await service.ask(`/studies/${STUDY}`)).arrayBuffer());
    assert.deepEqual(
      service.events.map(({ verb, access }) => [verb, access!.instanceCount]),
      [
        ['retrieved', 3],
        ['interrupted', 1],
      ],
    );
  }
  service.breakAfter = undefined;
  assert.ok((await parts(await service.ask(`/studies/${STUDY}`))).every(({ body }, at) => body.equals(objects[at]!)));
  assert.ok(
    service.logged.length > 0 && !JSON.stringify(service.logged.map(({ fields }) => Object.keys(fields))).includes('DOE'),
  );
});

test('DW-84 a client that leaves in the middle is on record, and is no error of ours', async (t) => {
  const service = await startService(t);
  const big = image({ Rows: 2048, Columns: 2048, PixelData: Buffer.alloc(2048 * 2048 * 2) });
  await service.stow([big, image({ InstanceNumber: 2 })]);
  service.events.length = 0;
  const leaving = new AbortController();
  const response = await service.ask(`/studies/${STUDY}`, { signal: leaving.signal });
  await response.body!.getReader().read();
  leaving.abort();
  for (let left = 100; service.events.length < 2 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(
    service.events.map(({ verb, access }) => [verb, access!.instanceCount]),
    [
      ['retrieved', 2],
      ['interrupted', 0],
    ],
  );
  assert.deepEqual(service.logged, []);
});

test('SM-1 only a token that may read reads', async (t) => {
  const { service } = await filled(t);
  for (const suffix of ['', '/metadata', '/frames/1', '/bulkdata/7FE00010']) {
    assert.equal((await service.ask(INSTANCE + suffix, { token: 'read' })).status, 200);
    for (const token of ['search', 'create', 'other'])
      assert.equal((await service.ask(INSTANCE + suffix, { token })).status, 403);
    assert.equal((await service.ask(INSTANCE + suffix, { token: '' })).status, 401);
  }
});

const corpus = process.env.ISTHMUS_CORPUS;
const skip = corpus ? false : 'ISTHMUS_CORPUS is not set: real images in every transfer syntax are not read';
const matrix = (name: string): Buffer => readFileSync(join(corpus!, 'dicom/ts-matrix', name));

const headerOf = async (bytes: Buffer) => {
  const reader = createHeaderReader();
  reader.push(bytes);
  return reader.end();
};

/** Stores one object alone and gives its path. */
const kept = async (t: TestContext, bytes: Buffer): Promise<{ service: Service; path: string }> => {
  const service = await startService(t);
  assert.equal((await service.stow([bytes])).status, 200);
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = await headerOf(bytes);
  return { service, path: `/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}` };
};

const pixelsOf = async (bytes: Buffer): Promise<Buffer> => {
  const { pixelData } = await headerOf(bytes);
  return bytes.subarray(pixelData!.offset, pixelData!.offset + pixelData!.length!);
};

for (const family of ['ct128', 'rgb100'])
  for (const form of ['implicit_le', 'explicit_be', 'deflated'])
    test(`DW-15 DW-57 ${family} ${form}: frame and bulk data are the little endian pixels`, { skip }, async (t) => {
      const { service, path } = await kept(t, matrix(`${family}_${form}.dcm`));
      const expected = await pixelsOf(matrix(`${family}_explicit_le.dcm`));
      const [frame] = await parts(await service.ask(`${path}/frames/1`));
      assert.match(frame!.headers, /transfer-syntax=1\.2\.840\.10008\.1\.2\.1\r/);
      assert.ok(frame!.body.equals(expected.subarray(0, frame!.body.length)));
      assert.ok(expected.length - frame!.body.length <= 1);
      const [row] = await service.rows(`${path}/metadata`);
      const uri = (row!['7FE00010'] as unknown as { BulkDataURI: string }).BulkDataURI;
      const bulk = await service.ask(uri.slice(ROOT.length), { accept: 'application/octet-stream' });
      assert.ok(Buffer.from(await bulk.arrayBuffer()).equals(expected));
      if (form === 'deflated') return;
      const [object] = await parts(await service.ask(path));
      assert.match(object!.headers, /transfer-syntax=1\.2\.840\.10008\.1\.2\.1$/);
      assert.ok((await pixelsOf(object!.body)).equals(expected));
    });

const FRAME_TYPES: readonly [string, string, string][] = [
  ['ct128_rle', 'image/dicom-rle', '1.2.840.10008.1.2.5'],
  ['ct128_jpeg_lossless_sv1_70', 'image/jpeg', '1.2.840.10008.1.2.4.70'],
  ['ct128_jpegls_lossless_80', 'image/jls', '1.2.840.10008.1.2.4.80'],
  ['ct128_j2k_lossless_90', 'image/jp2', '1.2.840.10008.1.2.4.90'],
  ['ct128_htj2k_lossless_201', 'image/jphc', '1.2.840.10008.1.2.4.201'],
  ['rgb100_jpeg_baseline_50', 'image/jpeg', '1.2.840.10008.1.2.4.50'],
];
const STARTS: Readonly<Record<string, string>> = {
  'image/jpeg': 'ffd8',
  'image/jls': 'ffd8',
  'image/jp2': 'ff4f',
  'image/jphc': 'ff4f',
};

for (const [name, type, syntax] of FRAME_TYPES)
  test(`DW-3 DW-16 DW-18 DW-20 ${name}: the bare codestream under its own type`, { skip }, async (t) => {
    const { service, path } = await kept(t, matrix(`${name}.dcm`));
    const accepts = [
      '*/*',
      `multipart/related; type="${type}"`,
      'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    ];
    for (const accept of accepts)
      for (const suffix of ['/frames/1', '/bulkdata/7FE00010']) {
        const response = await service.ask(path + suffix, { accept });
        assert.equal(response.status, 200, `${accept} ${suffix}`);
        assert.ok(response.headers.get('content-type')!.startsWith(`multipart/related; type="${type}"; boundary=`));
        const [part, more] = await parts(response);
        assert.equal(more, undefined);
        assert.ok(part!.headers.startsWith(`Content-Type: ${type};transfer-syntax=${syntax}\r\n`), part!.headers);
        if (STARTS[type]) assert.equal(part!.body.toString('hex', 0, 2), STARTS[type]);
        assert.ok(matrix(`${name}.dcm`).includes(part!.body));
      }
    assert.equal(
      (await service.ask(`${path}/frames/1`, { accept: type })).headers.get('content-type'),
      `${type};transfer-syntax=${syntax}`,
    );
    for (const accept of [
      'multipart/related; type="application/octet-stream"',
      `multipart/related; type="application/octet-stream"; transfer-syntax=${ELE}`,
    ])
      assert.equal((await service.ask(`${path}/frames/1`, { accept })).status, 406);
    const decoded = await service.ask(path, { accept: 'multipart/related; type="application/dicom"' });
    assert.equal(decoded.status, 406);
    assert.match(
      ((await decoded.json()) as { message: string }).message,
      new RegExp(`transfer-syntax=${syntax.replaceAll('.', '\\.')}`),
    );
    const named = `multipart/related; type="application/dicom"; transfer-syntax=${ELE}, multipart/related; type="application/dicom"; transfer-syntax=${syntax}`;
    assert.equal((await service.ask(path, { accept: named })).status, 200);
  });

test('DW-20 DW-64 a multi-frame RLE object: each frame in the order asked, all by bulk data', { skip }, async (t) => {
  const bytes = readFileSync(join(corpus!, 'dicom/enhanced/emri_small_RLE.dcm'));
  const { service, path } = await kept(t, bytes);
  const all = await parts(await service.ask(`${path}/bulkdata/7FE00010`));
  assert.equal(all.length, 10);
  const some = await parts(await service.ask(`${path}/frames/10,2`));
  assert.ok(some[0]!.body.equals(all[9]!.body) && some[1]!.body.equals(all[1]!.body));
  assert.equal((await service.ask(`${path}/frames/11`)).status, 404);
});

test('DW-15 a stored Implicit VR object goes out as the converter makes it, in pieces', { skip }, async (t) => {
  const bytes = matrix('ct128_implicit_le.dcm');
  const { service, path } = await kept(t, bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of toExplicitLittleEndian(
    (async function* () {
      yield bytes;
    })(),
    false,
  ))
    chunks.push(chunk);
  const single = await service.ask(path, { accept: 'application/dicom' });
  assert.equal(single.headers.get('content-length'), null);
  assert.ok(Buffer.from(await single.arrayBuffer()).equals(Buffer.concat(chunks)));
  assert.equal(
    (await service.ask(path, { accept: 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2' }))
      .status,
    406,
  );
});

test('DW-57 every bulk data URL of the metadata of real objects answers', { skip }, async (t) => {
  const service = await startService(t);
  const names = ['private/UN_OB_bulk.dcm', 'palette', 'wsi', 'ts-found/image_dfl.dcm', 'us/examples_ybr_color.dcm', 'ecg'];
  const { readdirSync, statSync } = await import('node:fs');
  const files = names.flatMap((name) => {
    const path = join(corpus!, 'dicom', name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return [];
    return stat.isDirectory() ? readdirSync(path).map((entry) => join(path, entry)) : [path];
  });
  let asked = 0;
  for (const file of files) {
    const response = await service.stow([readFileSync(file)]);
    const answer = (await response.json()) as Row;
    if (response.status !== 200) continue;
    const url = String(((answer['00081199']!.Value as Row[])[0]!['00081190']!.Value as string[])[0]).slice(ROOT.length);
    const text = await (await service.ask(`${url}/metadata`)).text();
    for (const [, uri] of text.matchAll(/"BulkDataURI":"([^"]+)"/g)) {
      const bulk = await service.ask(uri!.slice(ROOT.length));
      assert.equal(bulk.status, 200, `${file} ${uri}`);
      assert.ok((await parts(bulk)).length > 0, `${file} ${uri}`);
      asked++;
    }
  }
  assert.ok(asked >= 5, `${asked}`);
});
