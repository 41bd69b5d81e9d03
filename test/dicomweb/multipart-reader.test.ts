import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMultipart } from '../../src/dicomweb/multipart-reader.ts';
import { Fault } from '../../src/kernel/fault.ts';

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Read {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const read = async (source: AsyncIterable<Buffer>, boundary: string): Promise<Read[]> => {
  const found: Read[] = [];
  for await (const part of readMultipart(source, boundary)) {
    const chunks: Buffer[] = [];
    for await (const chunk of part.body) chunks.push(chunk);
    found.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(chunks).toString('latin1') });
  }
  return found;
};

const SIZES = [1, 2, 3, 5, 7, 11, 64, 1 << 20];

/** The same answer however the network cuts the body. */
const sweep = async (text: string, boundary: string): Promise<Read[]> => {
  const bytes = Buffer.from(text, 'latin1');
  const [first, ...others] = await Promise.all(SIZES.map((size) => read(chunked(bytes, size), boundary)));
  for (const other of others) assert.deepEqual(other, first);
  return first!;
};

const refused = async (text: string, boundary = 'X'): Promise<void> => {
  for (const size of SIZES)
    await assert.rejects(
      read(chunked(Buffer.from(text, 'latin1'), size), boundary),
      (error: unknown) => error instanceof Fault && error.code === 'malformed',
      `chunks of ${size}`,
    );
};

test('DW-24 parts, header fields in lower case, CRLF', async () => {
  const found = await sweep('--X\r\nContent-Type: application/dicom\r\nX-Y:  z \r\n\r\none\r\n--X\r\n\r\ntwo\r\n--X--\r\n', 'X');
  assert.deepEqual(found, [
    { headers: { 'content-type': 'application/dicom', 'x-y': 'z' }, body: 'one' },
    { headers: {}, body: 'two' },
  ]);
});

test('DW-24 preamble, epilogue, padding, no last CRLF, LF-only part headers', async () => {
  const found = await sweep('hello\r\n\r\n--X \t\r\nA: 1\n\nbody\r\n--X\r\n\nbare\r\n--X--', 'X');
  assert.deepEqual(found, [
    { headers: { a: '1' }, body: 'body' },
    { headers: {}, body: 'bare' },
  ]);
  assert.deepEqual(await sweep('--X\r\n\r\na\r\n--X--\r\nepilogue\r\n--X\r\n\r\nno part', 'X'), [{ headers: {}, body: 'a' }]);
});

test('DW-24 mixed line ends do not let a header swallow the body', async () => {
  assert.deepEqual(await sweep('--X\r\nA: 1\n\r\nbody\r\n\r\nmore\r\n--X--', 'X'), [
    { headers: { a: '1' }, body: 'body\r\n\r\nmore' },
  ]);
});

test('DW-24 an empty body is a part', async () => {
  assert.deepEqual(await sweep('--X\r\nA: 1\r\n\r\n\r\n--X--', 'X'), [{ headers: { a: '1' }, body: '' }]);
});

test('DW-25 bytes like a boundary do not split a part', async () => {
  const body = '\r\n\r\n--X in\r\n--XY\r\n--X-\r\n--X y\r\n--X\rz--X--\r\r\n-\n--X\n\r\n--';
  assert.deepEqual(await sweep(`--X\r\nA: 1\r\n\r\n${body}\r\n--X--`, 'X'), [{ headers: { a: '1' }, body }]);
});

test('DW-25 a boundary with blanks and one of 70 characters', async () => {
  assert.equal((await sweep('--a b\r\n\r\nz\r\n--a b--', 'a b')).length, 1);
  const long = 'b'.repeat(70);
  assert.equal((await sweep(`--${long}\r\n\r\nz\r\n--${long}--`, long)).length, 1);
});

test('DW-39 no part at all', async () => {
  assert.deepEqual(await sweep('--X--', 'X'), []);
  assert.deepEqual(await sweep('words\r\n--X--\r\n', 'X'), []);
});

test('DW-31 a body that is no multipart body or breaks off is refused', async () => {
  await refused('');
  await refused('no boundary');
  await refused('--X');
  await refused('--X\r\n');
  await refused('--X\r\nA: 1\r\n');
  await refused('--X\r\n\r\nbody');
  await refused('--X\r\n\r\nbody\r\n--X');
  await refused('--X\r\n\r\nbody\r\n--X-');
  await refused('--Y\r\n\r\nbody\r\n--Y--');
});

test('AT-55 header, boundary and padding without end are not collected', async () => {
  await refused(`--X\r\nA: ${'a'.repeat(17_000)}`);
  await refused(`--X\r\nA: ${'a'.repeat(17_000)}\r\n\r\nbody\r\n--X--`);
  await refused('--X\r\n\r\n', 'b'.repeat(71));
  assert.deepEqual(await sweep(`--X${' '.repeat(300)}\r\n\r\nbody\r\n--X--`, 'X'), [], 'such a line is no delimiter');
});

test('DW-24 what a consumer leaves unread is not the next part', async () => {
  const bytes = Buffer.from('--X\r\n\r\none, a longer body\r\n--X\r\n\r\ntwo\r\n--X--', 'latin1');
  for (const size of SIZES) {
    const seen: string[] = [];
    for await (const part of readMultipart(chunked(bytes, size), 'X'))
      for await (const chunk of part.body) {
        seen.push(chunk.toString('latin1', 0, 1));
        break;
      }
    assert.deepEqual(seen, ['o', 't'], `chunks of ${size}`);
  }
});

test('DW-27 bodies are slices, not copies, and nothing is read ahead', async () => {
  const big = Buffer.alloc(1 << 20, 'x');
  let given = 0;
  const source = (async function* () {
    yield Buffer.from('--X\r\n\r\n');
    for (let at = 0; at < 64; at++) {
      given++;
      yield big;
    }
    yield Buffer.from('\r\n--X--');
  })();
  for await (const part of readMultipart(source, 'X')) {
    let taken = 0;
    for await (const chunk of part.body) {
      assert.equal(chunk.buffer, big.buffer);
      taken++;
      assert.ok(given - taken <= 1);
    }
    assert.equal(taken, 64);
  }
});

test('DW-31 the source is let go when the consumer stops', async () => {
  let released = false;
  const source = (async function* () {
    try {
      for (;;) yield Buffer.from('--X\r\n\r\nbody');
    } finally {
      released = true;
    }
  })();
  for await (const _ of readMultipart(source, 'X')) break;
  assert.ok(released);
});

/** mulberry32 */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

test('DW-25 seeded: any bodies come back as they were sent, cut anywhere', async () => {
  const next = random(20_261_124);
  const pieces = ['\r', '\n', '-', '--', '--X', '\r\n--X', '\r\n--', 'X', 'abc', '\0', '\r\n\r\n'];
  for (let round = 0; round < 400; round++) {
    const bodies = Array.from({ length: 1 + Math.floor(next() * 4) }, () =>
      Array.from({ length: Math.floor(next() * 12) }, () => pieces[Math.floor(next() * pieces.length)]).join(''),
    );
    // A body must not hold a whole delimiter line: that is the sender's duty (RFC 2046 §5.1.1).
    if (bodies.some((body) => /\r\n--X(--|[ \t]*\r?\n)/.test(`\r\n${body}\r\n`))) continue;
    const text = `${bodies.map((body) => `--X\r\nA: 1\r\n\r\n${body}\r\n`).join('')}--X--`;
    const cut = 1 + Math.floor(next() * 9);
    const found = await read(chunked(Buffer.from(text, 'latin1'), cut), 'X');
    assert.deepEqual(
      found.map(({ body }) => body),
      bodies,
      `round ${round}`,
    );
  }
});

test('AT-55 seeded: garbage gives parts or a Fault, in time', async () => {
  const next = random(7);
  const pieces = ['\r', '\n', '-', '--X', '\r\n--X', '\r\n--X--', '\r\n--X\r\n', 'A: 1', ':', '\r\n\r\n', 'z'.repeat(40)];
  const started = performance.now();
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: Math.floor(next() * 30) }, () => pieces[Math.floor(next() * pieces.length)]).join('');
    await read(chunked(Buffer.from(text, 'latin1'), 1 + Math.floor(next() * 20)), 'X').catch((error: unknown) => {
      assert.ok(error instanceof Fault && error.code === 'malformed', `round ${round}`);
    });
  }
  assert.ok(performance.now() - started < 10_000);
});

test('AT-55 time grows with the length of the body, not with its square', async () => {
  const time = async (length: number): Promise<number> => {
    const text = `--X\r\n\r\n${'\r\n--'.repeat(length)}\r\n--X--`;
    const started = performance.now();
    await read(chunked(Buffer.from(text), 1000), 'X');
    return performance.now() - started;
  };
  await time(20_000);
  const [short, long] = [await time(20_000), await time(160_000)];
  assert.ok(long < 40 * Math.max(short, 1), `${short} ms, then ${long} ms`);
});
