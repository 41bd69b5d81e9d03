import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parts } from '../harness.ts';
import { type Element, elements, object, sequence, us } from './by-hand.ts';
import { type Row, type Service, startService } from './service.ts';

const ELE = '1.2.840.10008.1.2.1';
const STUDY = '1.2.3';
const ROOT = 'https://isthmus.example/dicom-web';
const path = (number: number): string => `/studies/${STUDY}/series/${STUDY}.1/instances/${STUDY}.1.${number}`;

/** Attributes that say how a frame of so many pixels of one byte each lies. */
const frames = (count: number, rows: number, columns: number, bigEndian = false): Element[] => [
  [0x00280002, 'US', us(1, bigEndian)],
  [0x00280008, 'IS', String(count)],
  [0x00280010, 'US', us(rows, bigEndian)],
  [0x00280011, 'US', us(columns, bigEndian)],
  [0x00280100, 'US', us(8, bigEndian)],
];

const store = async (service: Service, ...objects: Buffer[]): Promise<void> => {
  const response = await service.stow(objects);
  assert.equal(response.status, 200, await response.text());
};

const fragments = (...bodies: Buffer[]): Element => [0x7fe00010, 'OB', sequence(Buffer.alloc(0), ...bodies), true];

test('DW-15 big endian words of two pixels: frames of an odd number of bytes come out right', async (t) => {
  const service = await startService(t);
  const pixels = Buffer.from(Array.from({ length: 28 }, (_, at) => at + 1));
  const big = object({ syntax: '1.2.840.10008.1.2.2', bigEndian: true }, { study: STUDY, number: 1 }, [
    ...frames(3, 3, 3, true),
    [0x7fe00010, 'OW', Buffer.from(pixels).swap16()],
  ]);
  const asBytes = object({ syntax: '1.2.840.10008.1.2.2', bigEndian: true }, { study: STUDY, number: 2 }, [
    ...frames(3, 3, 3, true),
    [0x7fe00010, 'OB', pixels],
  ]);
  await store(service, big, asBytes);
  for (const number of [1, 2]) {
    const found = await parts(await service.ask(`${path(number)}/frames/1,2,3`));
    assert.deepEqual(
      found.map(({ body }) => [...body]),
      [0, 9, 18].map((start) => [...pixels.subarray(start, start + 9)]),
    );
    const bulk = await service.ask(`${path(number)}/bulkdata/7FE00010`, { accept: 'application/octet-stream' });
    assert.ok(Buffer.from(await bulk.arrayBuffer()).equals(pixels));
  }
});

test('DW-3 DW-16 a study of mixed transfer syntaxes is given whole only as stored', async (t) => {
  const service = await startService(t);
  const native = object({ syntax: ELE }, { study: STUDY, number: 1 }, [
    ...frames(1, 2, 2),
    [0x7fe00010, 'OB', Buffer.alloc(4, 7)],
  ]);
  const jpeg = object({ syntax: '1.2.840.10008.1.2.4.50' }, { study: STUDY, number: 2 }, [
    ...frames(1, 2, 2),
    fragments(Buffer.from('ffd8ffd9', 'hex')),
  ]);
  await store(service, native, jpeg);
  const status = async (accept: string, where = `/studies/${STUDY}`) => (await service.ask(where, { accept })).status;
  assert.equal(await status('multipart/related; type="application/dicom"; transfer-syntax=*'), 200);
  assert.equal(await status('*/*'), 200);
  assert.equal(await status('multipart/related; type="application/dicom"'), 406);
  assert.equal(await status('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'), 406);
  assert.equal(await status('multipart/related; type="application/dicom"', path(1)), 200);
  const found = await parts(await service.ask(`/studies/${STUDY}`));
  assert.deepEqual(
    found.map(({ headers }) => /transfer-syntax=([\d.]+)/.exec(headers)![1]),
    [ELE, '1.2.840.10008.1.2.4.50'],
  );
});

test('DW-20 fragments of one frame are joined; a video is one stream', async (t) => {
  const service = await startService(t);
  const [a, b] = [Buffer.from('ffd8aaaa', 'hex'), Buffer.from('bbbbffd9', 'hex')];
  await store(
    service,
    object({ syntax: '1.2.840.10008.1.2.4.50' }, { study: STUDY, number: 1 }, [...frames(1, 2, 2), fragments(a, b)]),
    object({ syntax: '1.2.840.10008.1.2.4.102' }, { study: STUDY, number: 2 }, [...frames(30, 2, 2), fragments(a, b)]),
  );
  const [joined] = await parts(await service.ask(`${path(1)}/frames/1`));
  assert.equal(joined!.body.toString('hex'), 'ffd8aaaabbbbffd9');
  const video = await parts(await service.ask(`${path(2)}/bulkdata/7FE00010`));
  assert.equal(video.length, 1);
  assert.match(video[0]!.headers, /^Content-Type: video\/mp4;transfer-syntax=1\.2\.840\.10008\.1\.2\.4\.102/);
  assert.equal(video[0]!.body.toString('hex'), 'ffd8aaaabbbbffd9');
});

test('DW-60 a large value within an item has a URL; fragments within an item are not taken for the image', async (t) => {
  const service = await startService(t);
  const lut = Buffer.alloc(4096, 5);
  const item = elements([[0x00283006, 'OW', lut]]);
  const icon = elements([...frames(1, 1, 1), fragments(Buffer.from('0102', 'hex'))]);
  await store(
    service,
    object({ syntax: '1.2.840.10008.1.2.4.50' }, { study: STUDY, number: 1 }, [
      ...frames(1, 2, 2),
      [0x00283000, 'SQ', sequence(item), true],
      [0x00880200, 'SQ', sequence(icon), true],
      fragments(Buffer.from('ffd8ffd9', 'hex')),
    ]),
  );
  const [row] = await service.rows(`${path(1)}/metadata`);
  const [nested] = row!['00283000']!.Value as Row[];
  const { BulkDataURI: uri } = nested!['00283006'] as unknown as { BulkDataURI: string };
  assert.equal(uri, `${ROOT}${path(1)}/bulkdata/00283000/1/00283006`);
  const bulk = await service.ask(uri.slice(ROOT.length), { accept: 'application/octet-stream' });
  assert.ok(Buffer.from(await bulk.arrayBuffer()).equals(lut));
  assert.equal((await service.ask(`${path(1)}/bulkdata/00880200/1/7FE00010`)).status, 404);
});

test('DW-84 an answer of unknown length that breaks off is cut, not ended', async (t) => {
  const service = await startService(t);
  const make = (number: number) =>
    object({ syntax: '1.2.840.10008.1.2', implicit: true }, { study: STUDY, number }, [
      ...frames(1, 100, 100),
      [0x7fe00010, 'OB', Buffer.alloc(10_000, number)],
    ]);
  await store(service, make(1), make(2));
  service.breakAfter = (row) => (row.number === 2 ? 3000 : undefined);
  const response = await service.ask(`/studies/${STUDY}`);
  assert.equal(response.headers.get('content-length'), null);
  await assert.rejects(response.arrayBuffer());
});

test('DW-84 metadata that breaks off or falls short is cut, and the record says how far it went', async (t) => {
  const service = await startService(t);
  const make = (number: number) => object({ syntax: ELE }, { study: STUDY, number }, []);
  await store(service, make(1), make(2), make(3));
  for (const silently of [false, true]) {
    service.events.length = 0;
    service.cutMetadata = { after: 2, silently };
    await assert.rejects(async () => (await service.ask(`/studies/${STUDY}/metadata`)).arrayBuffer());
    assert.deepEqual(
      service.events.map(({ verb, access }) => [verb, access!.instanceCount]),
      [
        ['retrieved', 3],
        ['interrupted', 2],
      ],
    );
  }
  service.cutMetadata = { after: 0, silently: false };
  assert.equal((await service.ask(`/studies/${STUDY}/metadata`)).status, 500);
});
