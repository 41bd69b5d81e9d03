import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { multipart } from '../../demo/client.ts';
import { parts } from '../harness.ts';
import { CT, image, type Row, type Service, STUDY, startService } from './service.ts';

const AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*';
const ROOT = 'https://isthmus.example/dicom-web';

const body = async (response: Response): Promise<Row> => (await response.json()) as Row;
const items = (row: Row, tag: string): Row[] => (row[tag]?.Value ?? []) as Row[];
const reasons = (row: Row): unknown[] => items(row, '00081198').map((item) => item['00081197']!.Value![0]);

test('DW-29 all stored: 200, each with its class, instance and URL, and no failure list', async (t) => {
  const service = await startService(t);
  const response = await service.stow([image(), image({ InstanceNumber: 2 })]);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/dicom+json');
  const answer = await body(response);
  assert.equal(answer['00081198'], undefined);
  assert.deepEqual(answer['00081190'], { vr: 'UR', Value: [`${ROOT}/studies/${STUDY}`] });
  assert.deepEqual(items(answer, '00081199')[1], {
    '00081150': { vr: 'UI', Value: [CT] },
    '00081155': { vr: 'UI', Value: [`${STUDY}.1.2`] },
    '00081190': { vr: 'UR', Value: [`${ROOT}/studies/${STUDY}/series/${STUDY}.1/instances/${STUDY}.1.2`] },
  });
  assert.deepEqual(
    service.events.map(({ verb, isNew, access }) => ({ verb, isNew, count: access?.instanceCount })),
    [{ verb: 'stored', isNew: true, count: 2 }],
  );
});

test('DW-30 DW-33 some stored: 202 and both lists, reasons as numbers', async (t) => {
  const service = await startService(t);
  const response = await service.stow([image(), Buffer.from('this is no DICOM object'), image({ InstanceNumber: 2 })]);
  assert.equal(response.status, 202);
  const answer = await body(response);
  assert.equal(items(answer, '00081199').length, 2);
  assert.deepEqual(reasons(answer), [0xc000]);
  assert.match(response.headers.get('warning')!, /^299 isthmus: "/);
});

test('DW-31 DW-36 nothing stored: 409, nothing of group 0000 in the answer, and on record', async (t) => {
  const service = await startService(t);
  const response = await service.stow([Buffer.from('no'), Buffer.alloc(0)]);
  assert.equal(response.status, 409);
  const answer = await body(response);
  assert.equal(answer['00081199'], undefined);
  assert.equal(reasons(answer).length, 2);
  assert.ok(!JSON.stringify(answer).includes('"0000'));
  assert.deepEqual(
    service.events.map(({ verb, status }) => ({ verb, status })),
    [{ verb: 'refused', status: 409 }],
  );
  assert.deepEqual(await service.rows('/studies'), []);
});

test('DW-32 instances of another study than the path names fail, the rest is kept', async (t) => {
  const service = await startService(t);
  const other = image({ StudyInstanceUID: '1.2.3.4' });
  const mixed = await service.stow([image(), other], STUDY);
  assert.equal(mixed.status, 202);
  const [failed] = items(await body(mixed), '00081198');
  assert.deepEqual(failed!['00081155']!.Value, ['1.2.3.4.1.1']);
  assert.equal((Number(failed!['00081197']!.Value![0]) & 0xff00) >>> 0, 0xa900);
  assert.equal((await service.stow([other], STUDY)).status, 409);
  assert.equal((await service.rows('/studies')).length, 1);
});

test('DW-37 the same bytes again: 200; other bytes under the same UID: 409, nothing changes', async (t) => {
  const service = await startService(t);
  const first = image();
  await service.stow([first]);
  assert.equal((await service.stow([first])).status, 200);
  const conflict = await service.stow([image({ StudyDescription: 'ABDOMEN' })]);
  assert.equal(conflict.status, 409);
  assert.deepEqual(reasons(await body(conflict)), [0x0111]);
  const [part] = await parts(await service.ask(`/studies/${STUDY}`, { accept: AS_STORED }));
  assert.ok(part!.body.equals(first));
  assert.equal((await service.rows('/instances')).length, 1);
});

test('DW-26 DW-38 part types and the single-part form', async (t) => {
  const service = await startService(t);
  const post = (contentType: string, bytes: Buffer) =>
    service.ask('/studies', { method: 'POST', headers: { 'Content-Type': contentType }, body: new Uint8Array(bytes) });
  assert.equal((await post('application/dicom', image())).status, 200);
  assert.equal((await post('application/dicom; transfer-syntax=1.2.840.10008.1.2.1', image({ InstanceNumber: 2 }))).status, 200);
  const part = (head: string, bytes: Buffer) =>
    Buffer.concat([Buffer.from(`--a b\r\n${head}\r\n`), bytes, Buffer.from('\r\n--a b--')]);
  const outer = 'Multipart/Related; type=application/dicom; boundary="a b"';
  const heads = [
    '',
    'Content-Type: application/dicom;transfer-syntax=1.2.840.10008.1.2.1\r\n',
    'content-type:APPLICATION/DICOM\r\n',
  ];
  for (const [at, head] of heads.entries())
    assert.equal((await post(outer, part(head, image({ InstanceNumber: 10 + at })))).status, 200, head);
  const text = await post(outer, part('Content-Type: text/plain\r\n', image({ InstanceNumber: 20 })));
  assert.equal(text.status, 409);
  assert.equal((await service.rows('/instances')).length, 5);
});

test('DW-28 DW-39 DW-31 wrong content types are 415, broken bodies 400, and nothing stays', async (t) => {
  const service = await startService(t);
  const post = async (contentType: string | undefined, bytes: string | Uint8Array, headers = {}) => {
    const response = await service.ask('/studies', {
      method: 'POST',
      headers: { ...(contentType === undefined ? {} : { 'Content-Type': contentType }), ...headers },
      body: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
    });
    const report = (await response.json()) as { status: number; message: string };
    assert.equal(report.status, response.status);
    return response.status;
  };
  const whole = multipart([image()]);
  const related = 'multipart/related; type="application/dicom"';
  assert.equal(await post(undefined, ''), 415);
  assert.equal(await post('application/json', '{}'), 415);
  assert.equal(await post('multipart/form-data; boundary=X', '--X--'), 415);
  assert.equal(await post('multipart/related; type="application/dicom+json"; boundary=X', '--X--'), 415);
  assert.equal(await post(whole.contentType, new Uint8Array(whole.body), { 'Content-Encoding': 'gzip' }), 415);
  assert.equal(await post(related, '--X--'), 400);
  assert.equal(await post(`${related}; boundary=""`, '--X--'), 400);
  assert.equal(await post(`${related}; boundary=X`, '--X--'), 400);
  assert.equal(await post(`${related}; boundary=X`, ''), 400);
  assert.equal(await post(`${related}; boundary=X`, 'no boundary in it'), 400);
  assert.equal(await post(whole.contentType, new Uint8Array(whole.body.subarray(0, whole.body.length - 8))), 400);
  assert.deepEqual(await service.rows('/studies'), []);
  assert.equal(service.events.filter(({ verb }) => verb === 'refused').length, 11);
});

/** A request whose body the test writes as it likes. */
const sending = (service: Service, headers: Record<string, string>) => {
  const outgoing = httpRequest({
    port: service.port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/dicom-web/studies',
    headers: { Authorization: 'Bearer all', ...headers },
  });
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', async (response: IncomingMessage) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode!, text });
    });
  });
  return { outgoing, answer };
};

test('DW-27 a chunked body of unknown length is taken', async (t) => {
  const service = await startService(t);
  const { contentType, body: bytes } = multipart([image()]);
  const { outgoing, answer } = sending(service, { 'Content-Type': contentType });
  for (let at = 0; at < bytes.length; at += 100) outgoing.write(bytes.subarray(at, at + 100));
  outgoing.end();
  assert.equal((await answer).status, 200);
});

test('AT-55 a body beyond the limit is 413, with and without Content-Length, and the client hears it', async (t) => {
  const service = await startService(t, { stowMaxBytes: 100_000 });
  const { contentType, body: bytes } = multipart([image({ PixelData: Buffer.alloc(2_000_000), Rows: 1000, Columns: 1000 })]);
  const known = await service.ask('/studies', {
    method: 'POST',
    headers: { 'Content-Type': contentType },
    body: new Uint8Array(bytes),
  });
  assert.equal(known.status, 413);
  const { outgoing, answer } = sending(service, { 'Content-Type': contentType });
  for (let at = 0; at < bytes.length; at += 50_000) outgoing.write(bytes.subarray(at, at + 50_000));
  outgoing.end();
  const { status, text } = await answer;
  assert.equal(status, 413);
  assert.match(text, /100000 bytes/);
  assert.deepEqual(await service.rows('/studies'), []);
});

test('AT-55 a large body without a token is 401, not a reset connection', async (t) => {
  const service = await startService(t);
  const { outgoing, answer } = sending(service, { 'Content-Type': 'application/dicom', Authorization: 'Bearer wrong' });
  for (let at = 0; at < 40; at++) outgoing.write(Buffer.alloc(100_000));
  outgoing.end();
  assert.equal((await answer).status, 401);
});

test('AT-55 a client that writes all before it reads gets its answer too', async (t) => {
  const service = await startService(t);
  const socket = connect(service.port, '127.0.0.1');
  t.after(() => socket.destroy());
  const length = 16_000_000;
  socket.write(
    `POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: application/dicom\r\nContent-Length: ${length}\r\n\r\n`,
  );
  const chunk = Buffer.alloc(1_000_000);
  for (let sent = 0; sent < length; sent += chunk.length)
    await new Promise<void>((resolve, reject) => socket.write(chunk, (error) => (error ? reject(error) : resolve())));
  const started = performance.now();
  let text = '';
  for await (const bytes of socket) text += bytes;
  assert.match(text, /^HTTP\/1\.1 401 /);
  assert.ok(performance.now() - started < 1500, 'the connection is closed when the body has ended');
});

test('DW-31 a client that goes away leaves nothing but a record of it', async (t) => {
  const service = await startService(t);
  const { contentType, body: bytes } = multipart([image(), image({ InstanceNumber: 2 })]);
  const { outgoing, answer } = sending(service, { 'Content-Type': contentType, 'Content-Length': String(bytes.length) });
  answer.catch(() => {});
  outgoing.write(bytes.subarray(0, bytes.length - 100), () => setTimeout(() => outgoing.destroy(), 50));
  for (let left = 100; service.events.length === 0 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(
    service.events.map(({ verb, reason }) => ({ verb, reason })),
    [{ verb: 'refused', reason: 'client-left' }],
  );
  assert.deepEqual(service.logged, []);
  assert.deepEqual(await service.rows('/studies'), []);
});

test('SM-1 storing: `c` begins studies, `u` adds to them, others may not', async (t) => {
  const service = await startService(t);
  assert.equal((await service.stow([image()], undefined, 'update')).status, 409);
  assert.equal((await service.stow([image()], undefined, 'create')).status, 200);
  assert.equal((await service.stow([image({ InstanceNumber: 2 })], undefined, 'update')).status, 200);
  for (const token of ['read', 'search', 'other']) assert.equal((await service.stow([image()], undefined, token)).status, 403);
  assert.equal((await service.stow([image()], undefined, '')).status, 401);
});

test('SM-1 a token confined to a patient can not write to another', async (t) => {
  const service = await startService(t);
  await service.stow([image()]);
  const own = service.events[0]!.access!.patient;
  assert.equal((await service.stow([image({ InstanceNumber: 2 })], undefined, `patient~${own}`)).status, 200);
  const foreign = await service.stow([image({ InstanceNumber: 3 })], undefined, 'patient~somebody-else');
  assert.equal(foreign.status, 409);
  assert.deepEqual(reasons(await body(foreign)), [0x0124]);
});

test('DW-31 a store that can not be recorded is not acknowledged', async (t) => {
  const service = await startService(t);
  service.refuseRecord = (verb) => verb === 'stored';
  const response = await service.stow([image()]);
  assert.equal(response.status, 500);
  assert.ok(!(await response.text()).includes('the log is full'));
  service.refuseRecord = undefined;
  assert.equal((await service.stow([image()])).status, 200, 'sent again, it is recognised');
});
