import { Fault } from '../kernel/fault.ts';

export interface Part {
  /** lower-case names */
  readonly headers: ReadonlyMap<string, string>;
  /** must be read to its end before the next part is asked for */
  readonly body: AsyncIterable<Buffer>;
}

const MAX_PART_HEADER = 16 * 1024;
const CR = 13;

/** Index in `bytes` from which its tail could be the beginning of `delimiter`; -1 when it can not. */
const partialEnd = (bytes: Buffer, delimiter: Buffer): number => {
  let at = bytes.indexOf(CR, Math.max(0, bytes.length - delimiter.length + 1));
  while (at >= 0) {
    if (delimiter.compare(bytes, at, bytes.length, 0, bytes.length - at) === 0) return at;
    at = bytes.indexOf(CR, at + 1);
  }
  return -1;
};

const parseHeaders = (text: string): Map<string, string> => {
  const headers = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at > 0) headers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return headers;
};

const broken = (message: string): Fault => new Fault('malformed', message);

/**
 * Parts of a multipart body as they arrive (RFC 2046 §5.1): slices of the received chunks, nothing collected but part headers.
 * Tolerates a preamble, an epilogue, LF-only part headers and a missing last CRLF; not a missing close delimiter.
 *
 * @throws Fault `malformed`
 */
export async function* readMultipart(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<Part> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  const input = source[Symbol.asyncIterator]();
  // A body may begin with its first delimiter: the CRLF before it is then not there.
  let held: Buffer = Buffer.from('\r\n', 'latin1');
  let ended = false;

  const more = async (): Promise<boolean> => {
    if (ended) return false;
    const next = await input.next();
    if (next.done) {
      ended = true;
      return false;
    }
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  };

  /** Yields bytes up to the next delimiter and consumes it. */
  async function* upToDelimiter(): AsyncGenerator<Buffer> {
    for (;;) {
      const found = held.indexOf(delimiter);
      if (found >= 0) {
        const before = held.subarray(0, found);
        held = held.subarray(found + delimiter.length);
        if (before.length > 0) yield before;
        return;
      }
      const keep = partialEnd(held, delimiter);
      const safe = keep < 0 ? held : held.subarray(0, keep);
      held = keep < 0 ? Buffer.alloc(0) : held.subarray(keep);
      if (safe.length > 0) yield safe;
      if (!(await more())) throw broken('The multipart body ends before its close delimiter');
    }
  }

  /** @returns true when the delimiter was the closing one */
  const isClose = async (): Promise<boolean> => {
    while (held.length < 2) if (!(await more())) throw broken('The multipart body ends before its close delimiter');
    if (held[0] === 0x2d && held[1] === 0x2d) return true;
    // Blanks after the boundary are transport padding (RFC 2046 §5.1.1).
    for (;;) {
      const end = held.indexOf(10);
      if (end >= 0) {
        if (held.toString('latin1', 0, end).trim() !== '') throw broken('A boundary is followed by other text');
        held = held.subarray(end + 1);
        return false;
      }
      if (held.length > 256 || !(await more())) throw broken('A boundary is not closed by a line end');
    }
  };

  const headers = async (): Promise<Map<string, string>> => {
    for (;;) {
      if (held[0] === 10 || (held[0] === CR && held[1] === 10)) {
        held = held.subarray(held[0] === 10 ? 1 : 2);
        return new Map();
      }
      const crlf = held.indexOf('\r\n\r\n');
      const lf = held.indexOf('\n\n');
      const end = crlf >= 0 && (lf < 0 || crlf < lf) ? crlf : lf;
      if (end >= 0 && end <= MAX_PART_HEADER) {
        const text = held.toString('latin1', 0, end);
        held = held.subarray(end + (end === crlf ? 4 : 2));
        return parseHeaders(text);
      }
      if (held.length > MAX_PART_HEADER) throw broken('The header of a part is too long');
      if (!(await more())) throw broken('The multipart body ends within the header of a part');
    }
  };

  for await (const _ of upToDelimiter());
  while (!(await isClose())) {
    const part = { headers: await headers(), body: upToDelimiter() };
    yield part;
    // A consumer that left the body unread must not make the next part begin within it.
    for await (const _ of part.body);
  }
  // The epilogue is read so that the connection can be used again.
  while (await more()) held = Buffer.alloc(0);
}
